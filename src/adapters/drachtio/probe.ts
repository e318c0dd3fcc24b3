import { connect } from 'node:net';

export interface ControlServer {
  readonly host: string;
  readonly port: number;
  readonly secret: string;
}

/** There is no answer of a drachtio server. */
class NoDrachtio extends Error {
  override readonly name = 'NoDrachtio';
}

const MAX_ANSWER_BYTES = 4096;

/**
 * Asks a drachtio server whether it accepts our secret, and leaves. It sends us no request, because we ask for none.
 * @returns false when it refuses the secret
 * @throws NoDrachtio when it does not answer, or not as drachtio does
 */
export function acceptsSecret({ host, port, secret }: ControlServer, timeoutMs: number): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  const fail = (why: string) => reject(new NoDrachtio(why));
  const socket = connect({ host, port });
  socket.setTimeout(timeoutMs, () => fail(`no answer within ${timeoutMs} ms`));
  socket.on('error', (error) => fail(error.message));
  socket.on('close', () => fail('the connection ended without an answer'));
  socket.on('connect', () => {
    const message = `${crypto.randomUUID()}|authenticate|${secret}|`;
    socket.write(`${Buffer.byteLength(message)}#${message}`);
  });
  let answer = '';
  socket.on('data', (data) => {
    answer += data.toString('latin1');
    // `<length>#<id>|response|<id of the request>|OK|…`
    const verdict = /\|response\|[^|]*\|(OK|NO)\|/.exec(answer)?.[1];
    if (verdict !== undefined) resolve(verdict === 'OK');
    else if (answer.length > MAX_ANSWER_BYTES) fail('it answers in another protocol');
  });
  return promise.finally(() => socket.destroy());
}
