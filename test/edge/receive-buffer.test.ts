import { expect, test } from 'bun:test';
import { Edge } from '../../src/edge/index.ts';
import { askForReceiveBuffer } from '../../src/edge/transports/receive-buffer.ts';
import { onCleanup } from '../support/cleanup.ts';
import { RecordingLogger } from '../support/logger.ts';

async function fdOfSocket(): Promise<number> {
  const socket: object = await Bun.udpSocket({ hostname: '127.0.0.1', socket: { data() {} } });
  onCleanup(() => (socket as Bun.udp.Socket<'buffer'>).close());
  return 'fd' in socket ? Number(socket.fd) : -1;
}

/** net.core.rmem_max; containers do not show it under /proc/sys. */
const RMEM_MAX = askForReceiveBuffer(await fdOfSocket(), 2 ** 30) ?? 0;

test('the kernel grants what is asked for, and no more than net.core.rmem_max', async () => {
  const fd = await fdOfSocket();
  expect(askForReceiveBuffer(fd, 65_536)).toBe(65_536);
  expect(askForReceiveBuffer(fd, RMEM_MAX + 4096)).toBe(RMEM_MAX);
});

test('what is no socket has no buffer', () => expect(askForReceiveBuffer(-1, 65_536)).toBeUndefined());

test.each([
  ['one warning names the limit of the kernel when it is too low, however many sockets there are', RMEM_MAX + 4096, 1],
  ['there is none when the kernel grants it', RMEM_MAX, 0],
])('%s', async (_what, udpReceiveBufferBytes, warnings) => {
  const logger = new RecordingLogger();
  const listen = [1, 2].map((host) => ({ proto: 'udp', host: `127.0.0.${host}`, port: 0 }) as const);
  const edge = new Edge({ listen, logger, udpReceiveBufferBytes });
  await edge.connect();
  onCleanup(() => edge.stop(0));
  const named = logger.lines.filter(({ level, message }) => level === 'warn' && message.includes('net.core.rmem_max'));
  expect(named).toHaveLength(warnings);
  if (warnings > 0) expect(named[0]?.fields).toEqual({ granted: RMEM_MAX, asked: udpReceiveBufferBytes });
});
