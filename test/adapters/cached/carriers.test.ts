import { expect, test } from 'bun:test';
import { CachedCarriers } from '../../../src/adapters/cached/carriers.ts';
import type { CarrierDirectory, Carriers } from '../../../src/ports/carriers.ts';
import { Unavailable } from '../../../src/ports/errors.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { ManualTimers } from '../../support/timers.ts';

const STALE_MS = 3_600_000;

function start() {
  const clock = new ManualTimers();
  const logger = new RecordingLogger();
  const some: Carriers = { trunks: [], pinged: [], sipDomain: 'one.example.com' };
  const source: { says: Carriers | Error } = { says: some };
  const written: string[] = [];
  const database: CarrierDirectory = {
    read: async () => {
      if (source.says instanceof Error) throw source.says;
      return source.says;
    },
    saveRegisterStatus: async (sid) => void written.push(`status ${sid}`),
    disableRegistration: async (sid, trunkType) => void written.push(`disable ${sid} ${trunkType}`),
    disablePing: async (sid) => void written.push(`no ping ${sid}`),
  };
  return { clock, logger, some, source, written, carriers: new CachedCarriers(database, STALE_MS, clock, logger) };
}

const DOWN = new Unavailable('MySQL', 'gone');

test('the carriers read last are served while the database is down, until they are too old', async () => {
  const { carriers, source, some, clock, logger } = start();
  expect(await carriers.read()).toBe(some);
  source.says = DOWN;
  for (const _ of [1, 2]) expect(await carriers.read()).toBe(some);
  expect(logger.lines).toHaveLength(1);
  clock.advance(STALE_MS);
  expect(await carriers.read()).toBe(some);
  clock.advance(1);
  await expect(carriers.read()).rejects.toBe(DOWN);
});

test('carriers read after an outage are served at once, and each outage is logged once', async () => {
  const { carriers, source, logger } = start();
  await carriers.read();
  source.says = DOWN;
  await carriers.read();
  const other: Carriers = { trunks: [], pinged: [] };
  source.says = other;
  expect(await carriers.read()).toBe(other);
  source.says = DOWN;
  expect(await carriers.read()).toBe(other);
  expect(logger.lines).toHaveLength(2);
});

test('without carriers, and after any other error, the error is thrown', async () => {
  const { carriers, source } = start();
  source.says = DOWN;
  await expect(carriers.read()).rejects.toBe(DOWN);
  const fault = new TypeError('unforeseen');
  source.says = { trunks: [], pinged: [] };
  await carriers.read();
  source.says = fault;
  await expect(carriers.read()).rejects.toBe(fault);
});

test('writes go through', async () => {
  const { carriers, written } = start();
  await carriers.saveRegisterStatus('a', { status: 'ok', reason: '200 OK', timestamp: '' });
  await carriers.disableRegistration('b', 'reg');
  await carriers.disablePing('c');
  expect(written).toEqual(['status a', 'disable b reg', 'no ping c']);
});

test('a registration or ping that was switched off is not served', async () => {
  const { carriers, source } = start();
  const gateway = (n: number) => ({
    gatewaySid: `g${n}`,
    carrierSid: `c${n}`,
    carrierName: '',
    host: 'h',
    sips: false,
    transport: 'udp' as const,
  });
  const trunk = (n: number) => ({
    ...gateway(n),
    username: 'u',
    realm: 'r',
    publicIpInContact: false,
    trunkType: 'reg' as const,
  });
  const unregistrable = (n: number) => ({ carrierSid: `c${n}`, carrierName: '', why: 'it has no gateway' });
  source.says = {
    trunks: [trunk(1), trunk(2)],
    unregistrable: [unregistrable(1), unregistrable(2)],
    pinged: [gateway(1), gateway(2)],
  };
  await carriers.read();
  await carriers.disableRegistration('c1', 'reg');
  await carriers.disablePing('g2');
  source.says = DOWN;
  expect(await carriers.read()).toEqual({
    trunks: [trunk(2)],
    unregistrable: [unregistrable(2)],
    pinged: [gateway(1)],
  });
});
