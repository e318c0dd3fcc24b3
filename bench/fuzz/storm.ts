import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { spoiltMessage } from '../../test/edge/fuzz-messages.ts';
import { within } from '../../test/support/deadline.ts';
import { clientFrame, UPGRADE } from '../../test/support/wire.ts';
import type { Protocol } from '../lib/client.ts';
import { messageOf } from '../lib/command.ts';
import { Phone } from '../lib/phone.ts';
import { portOf, type Server } from '../lib/server.ts';

/** Few enough for the buffer of a UDP socket. */
const BATCH = 24;
/** Few, because the edge stops reading a connection whose framing is broken. */
const MESSAGES_PER_CONNECTION = 4;
const MAX_DATAGRAM = 65_507;
/** The edge closes a connection with a partial message after 10 s. */
const CLOSED_MS = 15_000;

export interface StormResult {
  readonly messages: number;
  /** Valid requests between the malformed ones, all answered 200. */
  readonly soundAnswers: number;
}

/**
 * Sends malformed messages, and after each batch a valid OPTIONS over the same transport and a REGISTER over UDP.
 * @throws when one of these is not answered 200, with the seed that repeats the batch
 */
export async function storm(
  server: Server,
  protocol: Exclude<Protocol, 'tls' | 'wss'>,
  messages: number,
  seed: number,
): Promise<StormResult> {
  const port = portOf(server, protocol);
  const asking = await Phone.open(protocol, port, 1);
  const registering = await Phone.open('udp', portOf(server, 'udp'), 2);
  const udp = createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  let sent = 0;
  let soundAnswers = 0;
  try {
    for (let batch = seed; sent < messages; batch = (batch + 1) % 2 ** 31) {
      const spoilt = fc.sample(spoiltMessage, { numRuns: Math.min(BATCH, messages - sent), seed: batch });
      sent += spoilt.length;
      try {
        if (protocol === 'udp') {
          for (const bytes of spoilt) udp.send(bytes.subarray(0, MAX_DATAGRAM), port, '127.0.0.1');
        } else {
          const parts = Array.from({ length: Math.ceil(spoilt.length / MESSAGES_PER_CONNECTION) }, (_, i) => {
            return spoilt.slice(i * MESSAGES_PER_CONNECTION, (i + 1) * MESSAGES_PER_CONNECTION);
          });
          const stream = (part: Buffer[]) => (protocol === 'ws' ? inFrames(part, batch) : Buffer.concat(part));
          await Promise.all(parts.map((part) => connection(port, stream(part))));
        }
        const answer = await asking.request('OPTIONS');
        if (!answer.startsWith('SIP/2.0 200 ')) throw new Error(`OPTIONS: ${answer.slice(0, 40)}`);
        await registering.register();
        soundAnswers += 2;
      } catch (error) {
        throw new Error(`${protocol}, --seed ${batch}: ${messageOf(error)}`);
      }
    }
  } finally {
    asking.close();
    registering.close();
    udp.close();
  }
  return { messages: sent, soundAnswers };
}

/** Writes the bytes on a new connection and ends it; resolves when the server has too. */
async function connection(port: number, bytes: Buffer): Promise<void> {
  const closed = Promise.withResolvers<void>();
  let rest = bytes;
  const write = (socket: { write(bytes: Buffer): number; end(): void }) => {
    rest = rest.subarray(Math.max(0, socket.write(rest)));
    if (rest.length === 0) socket.end();
  };
  await Bun.connect({
    hostname: '127.0.0.1',
    port,
    socket: { open: write, drain: write, data: () => {}, error: () => {}, close: () => closed.resolve() },
  });
  await within(closed.promise, CLOSED_MS, 'end of a connection with malformed messages');
}

/** An upgrade, then each message in a frame. In every fifth batch the frames are malformed too, in every seventh the upgrade. */
function inFrames(messages: readonly Buffer[], batch: number): Buffer {
  const frames = messages.map((bytes, i) => {
    const frame = clientFrame(1 + (i % 2), bytes);
    if (batch % 5 === 0) frame[(batch + i) % 14] = (batch * 31 + i * 7) & 0xff;
    return frame;
  });
  const upgrade = Buffer.from(`${UPGRADE.join('\r\n')}\r\n\r\n`);
  if (batch % 7 === 0) upgrade[batch % upgrade.length] = (batch * 13) & 0xff;
  return Buffer.concat([upgrade, ...frames]);
}
