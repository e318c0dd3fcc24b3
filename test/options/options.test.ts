import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { SqliteServerPool } from '../../src/adapters/sqlite/server-pool.ts';
import { network } from '../../src/config/variable.ts';
import { OncePer } from '../../src/lib/once-per.ts';
import { options } from '../../src/options/index.ts';
import { SilenceWatch } from '../../src/options/silence.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import type { ServerPool } from '../../src/ports/server-pool.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sipRequest } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';

function start() {
  const clock = new ManualTimers();
  const logger = new RecordingLogger();
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const pool = new SqliteServerPool(database, clock);
  const warnings = new OncePer(60_000, clock);
  const rules = {
    pool,
    networks: [network('10.0.0.0/8'), network('fc00::/7')],
    logger,
    mayWarn: (address: string) => warnings.isDue(address),
  };
  const send = (headers: Record<string, string>, address = '10.0.0.1', port = 5060, over: Partial<typeof rules> = {}) =>
    options({ ...rules, ...over }, sipRequest('OPTIONS', 'sip:sbc', headers, { transport: 'udp', address, port }));
  const servers = async () => (await pool.featureServers()).servers;
  return { clock, logger, pool, send, servers };
}

const OPEN = { 'X-FS-Status': 'open', 'X-FS-Calls': '7', 'X-FS-ServiceUrl': 'http://10.0.0.1:3000' };

describe('OPTIONS', () => {
  test('is answered 200, wherever it comes from', async () => {
    const { send, servers } = start();
    const answer = await send({ 'User-Agent': 'friendly' }, '192.0.2.1');
    expect(answer).toEqual({ status: 200, headers: { Allow: 'REGISTER, OPTIONS' } });
    expect(await servers()).toEqual([]);
  });

  test('from a feature server is a check-in, whatever the case of its headers', async () => {
    const { send, servers, clock } = start();
    expect((await send(OPEN)).headers).toMatchObject({ 'X-Members': '1' });
    const lower = Object.fromEntries(Object.entries(OPEN).map(([name, value]) => [name.toLowerCase(), value]));
    expect((await send(lower, '10.0.0.1', 5070)).headers).toMatchObject({ 'X-Members': '2' });
    const kept = { ip: '10.0.0.1', active: true, calls: 7, serviceUrl: OPEN['X-FS-ServiceUrl'] };
    expect(await servers()).toEqual([
      { ...kept, member: '10.0.0.1:5060', lastCheckIn: clock.now() },
      { ...kept, member: '10.0.0.1:5070', lastCheckIn: clock.now() },
    ]);
  });

  test.each(['closed', '', 'OPEN!', 'open; drop'])('with the status %p takes the server out', async (status) => {
    const { send, servers } = start();
    await send(OPEN);
    expect((await send({ 'X-FS-Status': status })).headers).toMatchObject({ 'X-Members': '0' });
    expect(await servers()).toEqual([]);
  });

  test('from an RTP server is a check-in of its address', async () => {
    const { send, pool } = start();
    expect((await send({ 'X-RTP-Status': 'open', 'X-RTP-Calls': '3' })).headers).toMatchObject({ 'X-Members': '1' });
    expect((await send({ 'X-RTP-Status': 'open' }, '10.0.0.1', 9)).headers).toMatchObject({ 'X-Members': '1' });
    expect(await pool.rtpServers()).toBe(1);
  });

  test('with invalid values is a check-in without them', async () => {
    const { send, servers } = start();
    await send({ 'X-FS-Status': 'open', 'X-FS-Calls': '-1', 'X-FS-ServiceUrl': 'javascript:alert(1)' });
    await send({ 'X-FS-Status': 'open', 'X-FS-ServiceUrl': `http://${'a'.repeat(2000)}` }, '10.0.0.2');
    for (const server of await servers()) {
      expect(server).not.toHaveProperty('calls');
      expect(server).not.toHaveProperty('serviceUrl');
    }
  });

  test('from outside the trusted networks changes nothing and is logged once a minute', async () => {
    const { send, servers, logger, clock } = start();
    for (const address of ['192.0.2.1', '2001:db8::1', '192.0.2.1'])
      expect(await send(OPEN, address)).toEqual({ status: 200, headers: { Allow: 'REGISTER, OPTIONS' } });
    expect(await servers()).toEqual([]);
    expect(logger.lines.filter((l) => l.level === 'warn')).toHaveLength(2);
    clock.advance(60_000);
    await send(OPEN, '192.0.2.1');
    expect(logger.lines.filter((l) => l.level === 'warn')).toHaveLength(3);
    await send(OPEN, 'fd00::1');
    expect((await servers()).map((s) => s.member)).toEqual(['[fd00::1]:5060']);
  });

  test('is answered 503 when the store is unavailable, and is no warning', async () => {
    const { send, pool, logger } = start();
    const unavailable = Object.assign(Object.create(pool) as ServerPool, {
      checkIn: () => Promise.reject(new Unavailable('Redis', 'gone')),
    });
    expect(await send(OPEN, '10.0.0.1', 5060, { pool: unavailable as never })).toEqual({ status: 503 });
    expect(logger.lines.map(({ level }) => level)).toEqual(['debug']);
  });
});

describe('a server that stops checking in', () => {
  test('is checked for again after a fault of ours', async () => {
    const { clock, logger, pool } = start();
    const checks: string[] = [];
    const broken: ServerPool = Object.assign(Object.create(pool), {
      expire: (kind: string) => {
        checks.push(kind);
        return Promise.reject(new TypeError('a fault of ours'));
      },
    });
    const silence = new SilenceWatch({ pool: broken, expiresMs: 60_000, checkMs: 20_000, timers: clock, logger });
    silence.start();
    await clock.advanceAsync(40_000);
    silence.stop();
    expect(checks).toEqual(['feature', 'rtp', 'feature', 'rtp', 'feature', 'rtp']);
    expect(logger.lines.map((line) => line.level)).toEqual(['error', 'error', 'debug', 'debug', 'debug', 'debug']);
  });

  function watch() {
    const started = start();
    const { pool, clock, logger } = started;
    const silence = new SilenceWatch({ pool, expiresMs: 60_000, checkMs: 20_000, timers: clock, logger });
    return { ...started, silence };
  }

  test('is removed, but not within one interval from our start', async () => {
    const { send, servers, silence, clock } = watch();
    await send(OPEN, '10.0.0.1');
    await send({ 'X-RTP-Status': 'open' }, '10.0.0.8');
    clock.advance(3_600_000);
    silence.start();
    await clock.advanceAsync(50_000);
    expect(await servers()).toHaveLength(1);
    await send(OPEN, '10.0.0.2');
    await clock.advanceAsync(10_000);
    expect((await servers()).map((s) => s.ip)).toEqual(['10.0.0.2']);
    silence.stop();
    await clock.advanceAsync(3_600_000);
    expect(await servers()).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test('is removed at the next check when the store was unavailable, and whatever happens to servers of another kind', async () => {
    const { pool, clock, logger } = start();
    const errors = {
      feature: new QueryFault('Redis', 'WRONGTYPE', 'WRONGTYPE'),
      rtp: new Unavailable('Redis', 'gone') as Error | undefined,
    };
    const flaky = Object.assign(Object.create(pool) as ServerPool, {
      expire: async (kind: 'feature' | 'rtp') => {
        if (errors[kind]) throw errors[kind];
        return ['10.0.0.1'];
      },
    });
    const silence = new SilenceWatch({ pool: flaky, expiresMs: 60_000, checkMs: 20_000, timers: clock, logger });
    silence.start();
    await clock.advanceAsync(0);
    errors.rtp = undefined;
    await clock.advanceAsync(20_000);
    silence.stop();
    expect(logger.lines.filter((l) => l.level !== 'debug').map((l) => l.message)).toEqual([
      'removal of silent feature servers failed',
      'removal of silent rtp servers failed',
      'rtp server silent, taken out',
    ]);
  });
});
