import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';
/** Below every common range of ephemeral ports, so that no outgoing connection takes a port between look and use. */
const LOWEST_PORT = 10_000;
const HIGHEST_PORT = 32_767;
const ATTEMPTS = 100;
const RETRY_MS = 10;

/** A port that is free for TCP and UDP on 127.0.0.1, and that this process has not given out before. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST_PORT + Math.floor(Math.random() * (HIGHEST_PORT - LOWEST_PORT + 1));
    if (given.has(port)) continue;
    if ((await tcpIsFree(port)) && (await udpIsFree(port))) {
      given.add(port);
      return port;
    }
  }
  throw new Error(`no free port found in ${ATTEMPTS} attempts`);
}

/**
 * Resolves when something accepts TCP connections there.
 * @throws with the last reason when nothing does within `deadlineMs` milliseconds
 */
export async function waitForPort(host: string, port: number, deadlineMs: number): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const left = deadline - performance.now();
    const why = await refusal(host, port, Math.max(left, 1));
    if (why === undefined) return;
    if (performance.now() + RETRY_MS >= deadline) {
      throw new Error(`nothing accepts on ${host}:${port} within ${deadlineMs} ms: ${why}`);
    }
    await Bun.sleep(RETRY_MS);
  }
}

/** Bounded by the range. */
const given = new Set<number>();

function refusal(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => settle('no answer'), timeoutMs);
    const settle = (why?: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => settle());
    socket.once('error', (error) => settle(error.message));
  });
}

async function tcpIsFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    server.listen({ port, host: LOOPBACK, exclusive: true });
    await once(server, 'listening');
  } catch {
    return false; // taken, or not ours to take
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function udpIsFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind({ port, address: LOOPBACK, exclusive: true });
    await once(socket, 'listening');
  } catch {
    return false;
  }
  socket.close();
  await once(socket, 'close');
  return true;
}
