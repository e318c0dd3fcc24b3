import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { Edge } from '../../src/edge/index.ts';
import { UDP_RECEIVE_BUFFER_BYTES } from '../../src/edge/limits.ts';
import { askForReceiveBuffer } from '../../src/edge/transports/receive-buffer.ts';
import { onCleanup } from '../support/cleanup.ts';
import { RecordingLogger } from '../support/logger.ts';

const RMEM_MAX = Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'));

async function fdOfSocket(): Promise<number> {
  const socket: object = await Bun.udpSocket({ hostname: '127.0.0.1', socket: { data() {} } });
  onCleanup(() => (socket as Bun.udp.Socket<'buffer'>).close());
  return 'fd' in socket ? Number(socket.fd) : -1;
}

test('the kernel grants what is asked for, and no more than net.core.rmem_max', async () => {
  const fd = await fdOfSocket();
  expect(askForReceiveBuffer(fd, 65_536)).toBe(65_536);
  expect(askForReceiveBuffer(fd, RMEM_MAX + 4096)).toBe(RMEM_MAX);
});

test('what is no socket has no buffer', () => expect(askForReceiveBuffer(-1, 65_536)).toBeUndefined());

test('one warning names the limit of the kernel where it is too low, however many sockets there are', async () => {
  const logger = new RecordingLogger();
  const listen = [1, 2].map((host) => ({ proto: 'udp', host: `127.0.0.${host}`, port: 0 }) as const);
  const edge = new Edge({ listen, logger });
  await edge.connect();
  onCleanup(() => edge.stop(0));
  const warnings = logger.lines.filter((line) => JSON.stringify(line).includes('net.core.rmem_max'));
  expect(warnings).toHaveLength(RMEM_MAX < UDP_RECEIVE_BUFFER_BYTES ? 1 : 0);
});
