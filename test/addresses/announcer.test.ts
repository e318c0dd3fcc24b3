import { expect, test } from 'bun:test';
import { AddressAnnouncer } from '../../src/addresses/announcer.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { SbcAddress } from '../../src/sip/hostports.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

const KEEP_ALIVE_MS = 900_000;

function start() {
  const timers = new ManualTimers();
  const logger = new RecordingLogger();
  const announced: { addresses: readonly SbcAddress[]; deadSeconds: number }[] = [];
  const sip = { hostports: 'udp/10.0.0.1:5060,udp/203.0.113.1:5060' };
  const store = {
    down: false,
    gate: Promise.resolve(),
    async announce(addresses: readonly SbcAddress[], deadSeconds: number) {
      if (store.down) throw new Unavailable('MySQL', 'gone');
      announced.push({ addresses, deadSeconds });
      await store.gate;
    },
  };
  const announcer = new AddressAnnouncer({
    addresses: store,
    hostports: () => sip.hostports,
    keepAliveMs: KEEP_ALIVE_MS,
    deadSeconds: 7200,
    timers,
    logger,
  });
  return { announcer, timers, logger, announced, sip, store };
}

test('public addresses are announced at connect and then at each interval', async () => {
  const { announcer, timers, announced } = start();
  await timers.advanceAsync(KEEP_ALIVE_MS);
  expect(announced).toEqual([]);
  await announcer.connected();
  expect(announced).toEqual([{ addresses: [{ ip: '203.0.113.1', port: 5060 }], deadSeconds: 7200 }]);
  await timers.advanceAsync(KEEP_ALIVE_MS * 3);
  expect(announced).toHaveLength(4);
});

test('every public address is announced; without any, dead ones are removed all the same', async () => {
  const { announcer, announced, sip } = start();
  sip.hostports = 'udp/203.0.113.1:5060,tls/203.0.113.1:5061,udp/203.0.113.2:5070';
  await announcer.connected();
  sip.hostports = 'udp/10.0.0.1:5060';
  await announcer.connected();
  expect(announced.map(({ addresses }) => addresses)).toEqual([
    [
      { ip: '203.0.113.1', port: 5060, tlsPort: 5061 },
      { ip: '203.0.113.2', port: 5070 },
    ],
    [],
  ]);
});

test('each reconnect announces, without a second interval', async () => {
  const { announcer, timers, announced, sip } = start();
  for (let i = 0; i < 5; i++) await announcer.connected();
  expect(announced).toHaveLength(5);
  expect(timers.pending).toBe(1);
  sip.hostports = 'udp/198.51.100.1:5060';
  await timers.advanceAsync(KEEP_ALIVE_MS);
  expect(announced).toHaveLength(6);
  expect(announced[5]?.addresses).toEqual([{ ip: '198.51.100.1', port: 5060 }]);
});

test('a failed announcement is logged and retried; nothing is announced while the addresses are unknown', async () => {
  const { announcer, timers, logger, announced, sip, store } = start();
  store.down = true;
  await announcer.connected();
  expect(logger.lines.map((line) => line.level)).toEqual(['warn']);
  store.down = false;
  sip.hostports = '';
  await timers.advanceAsync(KEEP_ALIVE_MS);
  expect(announced).toEqual([]);
  sip.hostports = 'udp/203.0.113.1:5060';
  await timers.advanceAsync(KEEP_ALIVE_MS);
  expect(announced).toHaveLength(1);
});

test('reconnects during an announcement cause only one more', async () => {
  const { announcer, announced, store } = start();
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  const all = Array.from({ length: 10 }, () => announcer.connected());
  gate.resolve();
  await Promise.all(all);
  expect(announced).toHaveLength(2);
});

test('stop waits for the announcement in progress, after which nothing is announced', async () => {
  const { announcer, timers, announced, store } = start();
  const gate = Promise.withResolvers<void>();
  store.gate = gate.promise;
  void announcer.connected();
  let stopped = false;
  const stopping = announcer.stop().then(() => {
    stopped = true;
  });
  await timers.advanceAsync(0);
  expect(stopped).toBe(false);
  gate.resolve();
  await stopping;
  await timers.advanceAsync(KEEP_ALIVE_MS * 2);
  expect(announced).toHaveLength(1);
});
