import { Database } from 'bun:sqlite';
import { describe, expect, test } from 'bun:test';
import { SCHEMA } from '../../src/adapters/sqlite/schema.ts';
import { SqliteServerPool } from '../../src/adapters/sqlite/server-pool.ts';
import { listenerName, network } from '../../src/config/variable.ts';
import { OncePer } from '../../src/lib/once-per.ts';
import { options } from '../../src/options/index.ts';
import { SilenceWatch } from '../../src/options/silence.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import type { ServerPool } from '../../src/ports/server-pool.ts';
import type { Endpoint } from '../../src/sip/message.ts';
import { unsyncedCommitter } from '../support/committer.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sipRequest } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';

function start() {
  const clock = new ManualTimers();
  const logger = new RecordingLogger();
  const database = new Database(':memory:', { strict: true });
  database.run(SCHEMA);
  const pool = new SqliteServerPool(database, unsyncedCommitter(database), clock);
  const warnings = new OncePer(60_000, clock);
  const rules = {
    pool,
    networks: [network('10.0.0.0/8'), network('fc00::/7')],
    listeners: [] as readonly ReturnType<typeof listenerName>[],
    logger,
    mayWarn: (address: string) => warnings.isDue(address),
  };
  const send = (headers: Record<string, string>, address = '10.0.0.1', port = 5060, over: Partial<typeof rules> = {}) =>
    options({ ...rules, ...over }, sipRequest('OPTIONS', 'sip:sbc', headers, { transport: 'udp', address, port }));
  const servers = async () => (await pool.featureServers()).servers;
  /** A check-in on a listener of ours, where only `names` take them. */
  const sendOn = (names: readonly string[], receivedOn: Endpoint | undefined, source = LOCAL) =>
    options(
      { ...rules, listeners: names.map(listenerName) },
      sipRequest('OPTIONS', 'sip:sbc', OPEN, source, receivedOn),
    );
  return { clock, logger, pool, rules, send, sendOn, servers };
}

const LOCAL: Endpoint = { transport: 'udp', address: '10.0.0.1', port: 5060 };
const PRIVATE: Endpoint = { transport: 'udp', address: '10.0.0.5', port: 5070 };
const PLAIN_OK = { status: 200, headers: { Allow: 'REGISTER, OPTIONS' } };
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

  const warnings = (logger: RecordingLogger) => logger.lines.filter(({ level }) => level === 'warn');

  test.each([
    'http://user:hunter2hunter2@10.0.0.1:3000',
    'http://hunter2hunter2@10.0.0.1',
    'https://:hunter2hunter2@10.0.0.1/',
    'HTTP://user:hunter2hunter2@[fd00::1]:3000/path',
    'http:\\\\user:hunter2hunter2@10.0.0.1',
    'http://10.0.0.1\\@hunter2hunter2.test/',
    'user:hunter2hunter2@10.0.0.1:3000',
    'ftp://user:hunter2hunter2@10.0.0.1/',
    'http://10.0.0.1:3000/?token=hunter2hunter2',
    'http://10.0.0.1:3000?hunter2hunter2',
    'http://10.0.0.1:3000/#hunter2hunter2',
    `http://user:hunter2hunter2@${'a'.repeat(2000)}`,
  ])('with the service URL %p changes nothing, and the URL is not logged', async (url) => {
    const { send, servers, logger } = start();
    expect(await send({ ...OPEN, 'X-FS-ServiceUrl': url })).toEqual(PLAIN_OK);
    expect(await servers()).toEqual([]);
    expect(warnings(logger)).toHaveLength(1);
    expect(JSON.stringify(logger.lines)).not.toContain('hunter2');
  });

  test.each([
    '',
    'http://',
    'http:///path',
    '10.0.0.1:3000',
    '//10.0.0.1:3000',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'ftp://10.0.0.1',
    'http://10.0.0.1:port',
    'http://10.0.0.1:123456',
    'http://10.0.0.1 :3000',
    'http://10.0.0.1/a b',
    'http://10.0.0.1/\ta',
    'http://bücher.test/',
    'http://10.0.0.1\\path',
    'http://10.0.0.1/"><script>',
    `http://10.0.0.1/${'a'.repeat(2000)}`,
  ])('with %p as service URL is a check-in without one', async (url) => {
    const { send, servers } = start();
    expect((await send({ ...OPEN, 'X-FS-ServiceUrl': url })).headers).toMatchObject({ 'X-Members': '1' });
    const [server] = await servers();
    expect(server).not.toHaveProperty('serviceUrl');
  });

  // The edge refuses these characters, a drachtio server does not.
  test.each(['\x01', '\x1b[2J', '\x7f', '\0', '\r\nX-FS-Calls: 1'])(
    'with %j in its service URL is a check-in without one',
    async (text) => {
      const { rules, servers } = start();
      const request = sipRequest('OPTIONS', 'sip:sbc', { 'X-FS-Status': 'open' }, LOCAL);
      const url = { name: 'X-FS-ServiceUrl', value: `http://10.0.0.1/${text}/` };
      await options(rules, { ...request, headers: [...request.headers, url] });
      const [server] = await servers();
      expect(server).toMatchObject({ active: true });
      expect(server).not.toHaveProperty('serviceUrl');
    },
  );

  test.each([
    'http://10.0.0.1',
    'http://10.0.0.1:3000',
    'HTTPS://fs-1.example.com:3000/',
    'http://feature_server:3000/v2/',
    'http://[fd00::1]:3000',
    'http://10.0.0.1/a@b/%41;c=1',
    `http://10.0.0.1/${'a'.repeat(1007)}`,
  ])('with %p as service URL has it kept as it is', async (url) => {
    const { send, servers } = start();
    await send({ ...OPEN, 'X-FS-ServiceUrl': url });
    expect((await servers()).map((s) => s.serviceUrl)).toEqual([url]);
  });

  test.each<[string, Endpoint]>([
    ['10.0.0.5', PRIVATE],
    ['10.0.0.5:5070', PRIVATE],
    ['udp/10.0.0.5', PRIVATE],
    ['udp/10.0.0.5:5070', PRIVATE],
    ['tcp/10.0.0.5:5070', { ...PRIVATE, transport: 'tcp' }],
    ['[fd00::5]:5070', { ...PRIVATE, address: 'fd00::5' }],
    ['udp/[FD00:0::5]', { ...PRIVATE, address: 'fd00::5' }],
    ['0.0.0.0:5070', { ...PRIVATE, address: '0.0.0.0' }],
  ])('is a check-in where %s alone takes them, received on %j', async (name, receivedOn) => {
    const { sendOn, servers } = start();
    expect((await sendOn(['192.0.2.9', name], receivedOn)).headers).toMatchObject({ 'X-Members': '1' });
    expect(await servers()).toHaveLength(1);
  });

  test.each<[string, Endpoint | undefined]>([
    ['10.0.0.5', { ...PRIVATE, address: '198.51.100.5' }],
    ['10.0.0.5', { ...PRIVATE, address: '10.0.0.50' }],
    ['10.0.0.5', { ...PRIVATE, address: '0.0.0.0' }],
    ['10.0.0.5:5070', { ...PRIVATE, port: 5060 }],
    ['tcp/10.0.0.5', PRIVATE],
    ['[fd00::5]', { ...PRIVATE, address: 'fd00::6' }],
    ['10.0.0.5', undefined],
  ])('is no check-in where %s alone takes them, received on %j', async (name, receivedOn) => {
    const { sendOn, servers, logger, clock } = start();
    for (const _ of [1, 2]) expect(await sendOn([name], receivedOn)).toEqual(PLAIN_OK);
    expect(await servers()).toEqual([]);
    expect(warnings(logger)).toEqual([
      expect.objectContaining({ message: expect.stringContaining('CHECKIN_LISTENER') }),
    ]);
    clock.advance(60_000);
    await sendOn([name], receivedOn);
    expect(warnings(logger)).toHaveLength(2);
  });

  test('from outside the trusted networks is no check-in on any listener', async () => {
    const { sendOn, servers } = start();
    expect(await sendOn(['10.0.0.5'], PRIVATE, { ...LOCAL, address: '192.0.2.1' })).toEqual(PLAIN_OK);
    expect(await servers()).toEqual([]);
  });

  test('with invalid values is a check-in without them', async () => {
    const { send, servers } = start();
    await send({ ...OPEN, 'X-FS-Calls': '-1' });
    const [server] = await servers();
    expect(server).not.toHaveProperty('calls');
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
