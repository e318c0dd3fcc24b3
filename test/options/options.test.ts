import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { SqliteServerPool } from '../../src/adapters/sqlite/server-pool.ts';
import { network } from '../../src/config/variable.ts';
import { OncePer } from '../../src/lib/once-per.ts';
import { options } from '../../src/options/index.ts';
import { SilenceWatch } from '../../src/options/silence.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { ServerPool } from '../../src/ports/server-pool.ts';
import { RecordingLogger } from '../support/logger.ts';
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
  const ask = (headers: Record<string, string>, address = '10.0.0.1', port = 5060, over: Partial<typeof rules> = {}) =>
    options(
      { ...rules, ...over },
      {
        method: 'OPTIONS',
        uri: 'sip:sbc',
        headers: Object.entries(headers).map(([name, value]) => ({ name, value })),
        header: (name) => headers[name],
        source: { address, port },
        transport: 'udp',
        server: { hostports: '', privateAddress: '' },
      },
    );
  const servers = async () => (await pool.featureServers()).servers;
  return { clock, logger, pool, ask, servers };
}

const OPEN = { 'X-FS-Status': 'open', 'X-FS-Calls': '7', 'X-FS-ServiceUrl': 'http://10.0.0.1:3000' };

describe('OPTIONS', () => {
  test('from anybody is a plain 200', async () => {
    const { ask, servers } = start();
    const answer = await ask({ 'User-Agent': 'friendly' }, '192.0.2.1');
    expect(answer).toEqual({ status: 200, headers: { Allow: 'REGISTER, OPTIONS' } });
    expect(await servers()).toEqual([]);
  });

  test('from a feature server is a check-in, however its headers are spelled', async () => {
    const { ask, servers, clock } = start();
    expect((await ask(OPEN)).headers).toMatchObject({ 'X-Members': '1' });
    const lower = Object.fromEntries(Object.entries(OPEN).map(([name, value]) => [name.toLowerCase(), value]));
    expect((await ask(lower, '10.0.0.1', 5070)).headers).toMatchObject({ 'X-Members': '2' });
    const kept = { ip: '10.0.0.1', active: true, calls: 7, serviceUrl: OPEN['X-FS-ServiceUrl'] };
    expect(await servers()).toEqual([
      { ...kept, member: '10.0.0.1:5060', lastCheckIn: clock.now() },
      { ...kept, member: '10.0.0.1:5070', lastCheckIn: clock.now() },
    ]);
  });

  test.each(['closed', '', 'OPEN!', 'open; drop'])('status %p is no open one', async (status) => {
    const { ask, servers } = start();
    await ask(OPEN);
    expect((await ask({ 'X-FS-Status': status })).headers).toMatchObject({ 'X-Members': '0' });
    expect(await servers()).toEqual([]);
  });

  test('from an RTP server counts its address', async () => {
    const { ask, pool } = start();
    expect((await ask({ 'X-RTP-Status': 'open', 'X-RTP-Calls': '3' })).headers).toMatchObject({ 'X-Members': '1' });
    expect((await ask({ 'X-RTP-Status': 'open' }, '10.0.0.1', 9)).headers).toMatchObject({ 'X-Members': '1' });
    expect(await pool.rtpServers()).toBe(1);
  });

  test('values that make no sense are not kept', async () => {
    const { ask, servers } = start();
    await ask({ 'X-FS-Status': 'open', 'X-FS-Calls': '-1', 'X-FS-ServiceUrl': 'javascript:alert(1)' });
    await ask({ 'X-FS-Status': 'open', 'X-FS-ServiceUrl': `http://${'a'.repeat(2000)}` }, '10.0.0.2');
    for (const server of await servers()) {
      expect(server).not.toHaveProperty('calls');
      expect(server).not.toHaveProperty('serviceUrl');
    }
  });

  test('from outside the trusted networks changes nothing, and is warned of once a minute', async () => {
    const { ask, servers, logger, clock } = start();
    for (const address of ['192.0.2.1', '2001:db8::1', '192.0.2.1'])
      expect(await ask(OPEN, address)).toEqual({ status: 200, headers: { Allow: 'REGISTER, OPTIONS' } });
    expect(await servers()).toEqual([]);
    expect(logger.lines.filter((l) => l.level === 'warn')).toHaveLength(2);
    clock.advance(60_000);
    await ask(OPEN, '192.0.2.1');
    expect(logger.lines.filter((l) => l.level === 'warn')).toHaveLength(3);
    await ask(OPEN, 'fd00::1');
    expect((await servers()).map((s) => s.member)).toEqual(['[fd00::1]:5060']);
  });

  test('while the store is away is answered 503', async () => {
    const { ask, pool } = start();
    const away = Object.assign(Object.create(pool) as ServerPool, {
      checkIn: () => Promise.reject(new Unavailable('Redis', 'gone')),
    });
    expect(await ask(OPEN, '10.0.0.1', 5060, { pool: away as never })).toEqual({ status: 503 });
  });
});

describe('silence', () => {
  test('is looked for again after a fault of ours', async () => {
    const { clock, logger, pool } = start();
    let looks = 0;
    const broken: ServerPool = Object.assign(Object.create(pool), {
      expire: () => {
        looks++;
        return Promise.reject(new TypeError('a fault of ours'));
      },
    });
    const silence = new SilenceWatch({ pool: broken, expiresMs: 60_000, checkMs: 20_000, timers: clock, logger });
    silence.start();
    await clock.advanceAsync(40_000);
    silence.stop();
    expect(looks).toBe(3);
    expect(logger.lines.map((line) => line.level)).toEqual(['error', 'error', 'error']);
  });

  function watch() {
    const started = start();
    const { pool, clock, logger } = started;
    const silence = new SilenceWatch({ pool, expiresMs: 60_000, checkMs: 20_000, timers: clock, logger });
    return { ...started, silence };
  }

  test('takes servers out, but gives each one interval from our own start', async () => {
    const { ask, servers, silence, clock } = watch();
    await ask(OPEN, '10.0.0.1');
    await ask({ 'X-RTP-Status': 'open' }, '10.0.0.8');
    clock.advance(3_600_000);
    silence.start();
    await clock.advanceAsync(50_000);
    expect(await servers()).toHaveLength(1);
    await ask(OPEN, '10.0.0.2');
    await clock.advanceAsync(10_000);
    expect((await servers()).map((s) => s.ip)).toEqual(['10.0.0.2']);
    // And so on, until it is stopped.
    silence.stop();
    await clock.advanceAsync(3_600_000);
    expect(await servers()).toHaveLength(1);
    expect(clock.pending).toBe(0);
  });

  test('an outage of the store is logged and over at the next round', async () => {
    const { pool, clock, logger } = start();
    let away = true;
    const flaky = Object.assign(Object.create(pool) as ServerPool, {
      expire: async () => {
        if (away) throw new Unavailable('Redis', 'gone');
        return ['10.0.0.1:5060'];
      },
    });
    const silence = new SilenceWatch({ pool: flaky, expiresMs: 60_000, checkMs: 20_000, timers: clock, logger });
    await silence.look();
    away = false;
    await silence.look();
    expect(logger.lines.map((l) => l.message)).toEqual([
      'silent servers stay for now',
      'feature server silent, taken out',
      'rtp server silent, taken out',
    ]);
  });
});
