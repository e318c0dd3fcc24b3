import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import fc from 'fast-check';
import { spoiltMessage } from '../../test/edge/fuzz-messages.ts';
import { clientFrame, UPGRADE } from '../../test/edge/ws-peer.ts';
import { within } from '../../test/support/deadline.ts';
import { Phone } from '../edge/phone.ts';

/** Few enough for the buffers of a UDP socket. */
const AT_A_TIME = 24;
/** Messages on one connection: once the framing is broken, what follows is not read any more. */
const ON_A_CONNECTION = 4;
/** Longer than a datagram can be. */
const MAX_DATAGRAM = 65_507;
/** A message that never ends is given up by the edge after 10 s. */
const CLOSED_MS = 15_000;

/** What came of it; a storm throws when a sound request between the spoilt messages is not answered with 200. */
export interface StormResult {
  readonly messages: number;
  readonly soundAnswers: number;
}

/**
 * Sends spoilt messages, and after each few of them a sound OPTIONS over the same transport and a sound REGISTER over UDP.
 * @throws with the seed that repeats the last few messages
 */
export async function storm(
  protocol: 'udp' | 'tcp' | 'ws',
  ports: { readonly udp: number; readonly tcp: number; readonly ws: number },
  messages: number,
  seed: number,
): Promise<StormResult> {
  const asking = await Phone.open(protocol, ports[protocol], 1);
  const registering = await Phone.open('udp', ports.udp, 2);
  const udp = createSocket('udp4');
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  let sent = 0;
  let soundAnswers = 0;
  try {
    for (let batch = seed; sent < messages; batch = (batch + 1) % 2 ** 31) {
      const spoilt = fc.sample(spoiltMessage, { numRuns: Math.min(AT_A_TIME, messages - sent), seed: batch });
      sent += spoilt.length;
      try {
        if (protocol === 'udp') {
          for (const bytes of spoilt) udp.send(bytes.subarray(0, MAX_DATAGRAM), ports.udp, '127.0.0.1');
        } else {
          const parts = Array.from({ length: Math.ceil(spoilt.length / ON_A_CONNECTION) }, (_, i) => {
            return spoilt.slice(i * ON_A_CONNECTION, (i + 1) * ON_A_CONNECTION);
          });
          const stream = (part: Buffer[]) => (protocol === 'ws' ? inFrames(part, batch) : Buffer.concat(part));
          await Promise.all(parts.map((part) => connection(ports[protocol], stream(part))));
        }
        const answer = await asking.request('OPTIONS');
        if (!answer.startsWith('SIP/2.0 200 ')) throw new Error(`OPTIONS: ${answer.slice(0, 40)}`);
        await registering.register();
        soundAnswers += 2;
      } catch (error) {
        throw new Error(`${protocol}, --seed ${batch}: ${error instanceof Error ? error.message : error}`);
      }
    }
  } finally {
    asking.close();
    registering.close();
    udp.close();
  }
  return { messages: sent, soundAnswers };
}

/** Writes the bytes on a connection of their own and ends it; resolves when the other side has too. */
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
  await within(closed.promise, CLOSED_MS, 'end of a connection with spoilt messages');
}

/** An upgrade and each message in a frame. Of every fifth batch the frames are spoilt too, of every seventh the upgrade. */
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
