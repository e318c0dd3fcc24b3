import { afterAll } from 'bun:test';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { NO_METRICS } from '../../src/ports/metrics.ts';
import { WebhookAuthenticator } from '../../src/webhook/index.ts';
import { openCore } from '../support/core.ts';
import { Phone, pipeline } from '../support/phone.ts';

const REALM = 'hook.example.com';
const OTHER_REALM = 'other.example.com';

/** The accounts of two realms with a webhook each, on a manual clock. */
export function openWebhooks(
  url: string,
  { concurrency = 100, timeoutMs = 5000, method = 'POST', otherUrl = url } = {},
) {
  const account = (realm: string, hook: string) =>
    `[[account]]\nrealm = "${realm}"\n[account.webhook]\nurl = "${hook}"\nmethod = "${method}"\n`;
  const core = openCore({}, account(REALM, url) + account(OTHER_REALM, otherUrl));
  const { clock, logger } = core;
  const webhook = new WebhookAuthenticator({
    timeoutMs,
    concurrency,
    alerts: core.rules.alerts,
    metrics: NO_METRICS,
    timers: clock,
    logger,
  });
  const line = pipeline({ ...core.rules, webhook });
  let phones = 0;
  /** A new phone registers. @returns the status of the final response */
  const register = async ({ address = '192.0.2.7', realm = REALM } = {}) => {
    const phone = new Phone(line, `user${++phones}`, 'x', realm);
    return (await phone.register({ source: { address } })).status;
  };
  /** The lines about webhooks, not those about single phones. */
  const lines = () => logger.lines.filter(({ message }) => message.startsWith('webhook'));
  return { ...core, webhook, register, lines, realm: REALM, otherRealm: OTHER_REALM };
}

export const OK = JSON.stringify({ status: 'ok' });

export function answerOf(status: string, body = OK, headers: readonly string[] = []): string {
  const lines = [`HTTP/1.1 ${status}`, `Content-Length: ${Buffer.byteLength(body)}`, ...headers];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

export interface RawRequest {
  /** Of its connection, the first of a server is 1. */
  readonly connection: number;
  readonly text: string;
}

/**
 * A web server that speaks raw bytes.
 * @param react called when a request has come in whole; no answer: it hangs
 */
export async function rawServer(
  react: (socket: Socket, request: RawRequest) => void,
  create: (onConnection: (socket: Socket) => void) => Server = createServer,
) {
  const requests: RawRequest[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  let connections = 0;
  const server = create((socket) => {
    const connection = ++connections;
    let text = '';
    socket.on('error', () => {});
    socket.on('data', (data) => {
      text += data;
      const [head = '', body] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (body === undefined || Buffer.byteLength(body) < length) return;
      const request = { connection, text };
      text = '';
      requests.push(request);
      react(socket, request);
      for (const { count, resolve } of waiting) if (requests.length >= count) resolve();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  afterAll(() => server.close());
  return {
    port,
    url: `http://127.0.0.1:${port}/auth`,
    requests,
    /** Resolves once there have been `count` requests. */
    received: (count: number) =>
      new Promise<void>((resolve) => {
        if (requests.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
  };
}
