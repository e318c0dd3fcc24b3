import { describe, expect, test } from 'bun:test';
import { AdminPeer, gatewayList, serverList, statusOf, trunkList, trunkShown } from '../support/admin-peer.ts';
import { sidecarBinary } from '../support/binary.ts';
import { spawnProcess } from '../support/process.ts';
import { ended, run, runOnTerminal } from './cli.ts';

const peer = await AdminPeer.start();

async function answered(answer: object | string, ...args: string[]) {
  peer.reply = () => answer;
  return run(peer.path, args);
}

describe('output that scripts parse', () => {
  test.each([
    [
      'fs drain 10.0.0.1',
      { action: 'drain', server: '10.0.0.1', drained: ['10.0.0.1', '10.0.0.2'] },
      '✓ Drained 10.0.0.1\nDrained servers: [10.0.0.1, 10.0.0.2]',
    ],
    [
      'fs undrain 10.0.0.1',
      { action: 'undrain', server: '10.0.0.1', drained: [] },
      '✓ Undrained 10.0.0.1\nDrained servers: []',
    ],
    ['fs drained', { drained: [] }, 'No servers are currently drained'],
    ['fs drained', { drained: ['10.0.0.1', '::1'] }, 'Drained servers:\n  10.0.0.1\n  ::1'],
    ['fs active', { available: [] }, 'No active feature servers found'],
    ['fs active', { available: ['10.0.0.1:5060'] }, 'Available feature servers:\n  10.0.0.1:5060'],
    ['fs list', { servers: [], drained: [], now: 1 }, 'No servers configured'],
    ['set logLevel debug', { key: 'logLevel', value: 'debug', effect: true }, '✓ logLevel = "debug"'],
    ['get logLevel', { key: 'logLevel', value: 'debug' }, 'logLevel = "debug"'],
    ['get some', { key: 'some', value: null }, 'some = null'],
    ['list', { config: {} }, 'Runtime Configuration:\n  (no configuration set)'],
    ['list', { config: { a: 1, b: ['x'] } }, 'Runtime Configuration:\n  a = 1\n  b = ["x"]'],
    ['ban list', { bans: [], now: 1 }, 'No bans'],
    ['ban clear', { lifted: [] }, '✓ nothing is banned'],
    ['ban clear', { lifted: ['192.0.2.1', '192.0.2.2'] }, '✓ 2 bans lifted'],
    ['ban clear 192.0.2.1', { lifted: ['192.0.2.1'] }, '✓ 1 ban lifted: 192.0.2.1'],
    ['ban clear 192.0.2.1', { lifted: [] }, '✓ 192.0.2.1 is not banned'],
    ['reload', { message: 'provisioning applied again' }, 'provisioning applied again'],
  ])('%s', async (line, answer, stdout) => {
    const args = line.split(' ');
    expect(await answered({ success: true, ...answer }, ...args)).toEqual({ code: 0, stdout, stderr: '' });
    const json = await answered({ success: true, ...answer }, ...args, '--json');
    expect(json).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(json.stdout)).toEqual({ success: true, ...answer });
  });

  test('requests follow the protocol; set sends its value as text', async () => {
    const count = peer.asked.length;
    await answered({ success: true, key: 'k', value: '5', effect: true }, 'set', 'k', '5');
    await answered({ success: true, action: 'drain', server: 'x', drained: [] }, 'fs', 'drain', 'x');
    expect(peer.asked.slice(count)).toEqual([
      { action: 'set', key: 'k', value: '5' },
      { action: 'fs-drain', server: 'x', force: false },
    ]);
    await answered({ success: true, action: 'drain', server: 'x', drained: [] }, 'fs', 'drain', 'x', '--force');
    expect(peer.asked.at(-1)).toEqual({ action: 'fs-drain', server: 'x', force: true });
  });

  test('fs list is a table with aligned columns', async () => {
    const list = serverList(
      { calls: 12, lastCheckIn: 1_000_000, serviceUrl: 'http://10.0.0.1:3000' },
      { server: '[2001:db8::1]:5060', status: 'drained', calls: null, lastCheckIn: 1_012_000 - 3_600_000 * 30 },
      { server: '10.0.0.9', status: 'orphaned', calls: null, lastCheckIn: null },
    );
    expect((await answered(list, 'fs', 'list')).stdout).toBe(
      [
        'Feature servers:',
        '  SERVER              STATE     CALLS  CHECK-IN     SERVICE URL',
        '  10.0.0.1:5060       active       12  12 s ago     http://10.0.0.1:3000',
        '  [2001:db8::1]:5060  drained       ?  1 d 6 h ago',
        '  10.0.0.9            orphaned      ?  never',
      ].join('\n'),
    );
  });

  test('fs list and fs drain say where the feature servers are when they run in Kubernetes', async () => {
    const line = 'No feature server checks in: 3 run in Kubernetes (fsUUIDs), which drains them itself';
    const empty = { ...serverList(), kubernetes: 3 };
    expect(await answered(empty, 'fs', 'list')).toEqual({ code: 0, stdout: line, stderr: '' });
    const orphan = serverList({ server: '10.0.0.9', status: 'orphaned', calls: null, lastCheckIn: null });
    const { stdout } = await answered({ ...orphan, kubernetes: 3 }, 'fs', 'list');
    expect(stdout).toMatch(/ 10\.0\.0\.9 .*\nNo feature server checks in: 3 /);
    const drained = { success: true, action: 'drain', server: '10.0.0.9', drained: ['10.0.0.9'], kubernetes: 3 };
    expect(await answered(drained, 'fs', 'drain', '10.0.0.9', '--force')).toEqual({
      code: 0,
      stdout: '✓ Drained 10.0.0.9\nDrained servers: [10.0.0.9]',
      stderr: `note: ${line}`,
    });
  });

  test('ban list shows the longest ban first', async () => {
    const now = Date.UTC(2026, 4, 4, 10, 12);
    const bans = [
      { source: '2001:db8:0:1::/64', until: now + 150_000 },
      { source: '203.0.113.66', until: now + 547_000 },
    ];
    expect((await answered({ success: true, bans, now }, 'ban', 'list')).stdout).toBe(
      [
        'Bans:',
        '  SOURCE             UNTIL                     LEFT',
        '  203.0.113.66       2026-05-04T10:21:07.000Z  9 min',
        '  2001:db8:0:1::/64  2026-05-04T10:14:30.000Z  2 min',
      ].join('\n'),
    );
  });

  test('ban clear names the address, if there is one', async () => {
    const count = peer.asked.length;
    await answered({ success: true, lifted: [] }, 'ban', 'clear', '192.0.2.1');
    await answered({ success: true, lifted: [] }, 'ban', 'clear');
    expect(peer.asked.slice(count)).toEqual([{ action: 'ban-clear', ip: '192.0.2.1' }, { action: 'ban-clear' }]);
  });

  test('status', async () => {
    const status = statusOf({
      readiness: 'degraded',
      notReadyBecause: 'MySQL does not answer',
      dependencies: [
        { role: 'sip', name: 'drachtio', address: '127.0.0.1:9022', state: 'up', since: 7_920_000, why: null },
        { role: 'store', name: 'Redis', address: 'redis.example:6379', state: 'up', since: 0, why: null },
        { role: 'database', name: 'MySQL', address: 'db:3306', state: 'down', since: 11_400_000, why: 'ECONNREFUSED' },
        { role: 'database writer', name: 'MySQL', address: 'db:3307', state: 'up', since: 0, why: null },
        {
          role: 'alerts',
          name: 'InfluxDB',
          address: 'influx:8086',
          state: 'down',
          since: 11_400_000,
          why: 'HTTP status 401',
        },
      ],
      alerts: { waiting: 5_000, dropped: 12 },
      rtpServers: null,
    });
    const { code, stdout } = await answered(status, 'status');
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'Version:          1.0.0',
      'Process:          4711',
      'Uptime:           3 h 12 min',
      'Ready:            degraded: MySQL does not answer',
      'SIP server:       drachtio 127.0.0.1:9022, up for 1 h 0 min',
      'Store:            Redis redis.example:6379, up for 3 h 12 min',
      'Accounts:         MySQL db:3306, down for 2 min: ECONNREFUSED',
      'Writer:           MySQL db:3307, up for 3 h 12 min',
      'Alerts:           InfluxDB influx:8086, down for 2 min: HTTP status 401',
      'Addresses:        udp/192.0.2.1:5060  tcp/192.0.2.1:5060',
      'Cluster:          default',
      'Registered:       1234 AORs',
      'Feature servers:  2 active, 1 drained',
      'RTP servers:      unknown: the store does not answer',
      'Banned:           2 sources',
      'Unsaved alerts:   5000 waiting, 12 dropped',
      'Lease holder:     this sidecar',
      'Trunks:           0 registered of 0',
      'Gateways:         0 up, 0 down, 0 unknown',
    ]);
    expect(JSON.parse((await answered(status, 'status', '--json')).stdout)).toEqual(status);
  });

  test('status of the embedded edge', async () => {
    const status = statusOf({
      sip: { server: 'embedded', connected: true, hostports: 'udp/192.0.2.1:5060' },
      dependencies: [],
      edge: {
        connections: 12,
        requestsUnderWay: 1,
        keptBytes: 0,
        serverTransactions: 34,
        clientTransactions: 2,
        requests: 1234,
        retransmissions: 5,
        refused: 3,
        responses: 6,
        malformed: 4,
        dropped: 1,
        banned: 17,
      },
    });
    const lines = (await answered(status, 'status')).stdout.split('\n');
    expect(lines).toContain('Banned:           2 sources, 17 messages and connections discarded');
    expect(lines.slice(4, 9)).toEqual([
      'Addresses:        udp/192.0.2.1:5060',
      'Connections:      12',
      'Transactions:     34 server, 2 client',
      'Requests:         1234, of them 5 retransmissions',
      'Not served:       3 refused, 4 malformed, 1 dropped',
    ]);
  });

  test.each([
    ['ready', true, 0],
    ['degraded', true, 0],
    ['not ready', false, 5],
  ] as const)('status of a sidecar that is %s', async (readiness, ready, code) => {
    const status = statusOf({ ready, readiness, notReadyBecause: readiness === 'ready' ? null : 'a reason' });
    expect((await answered(status, 'status')).code).toBe(code);
    expect(await answered(status, 'status', '--ready')).toEqual({ code, stdout: readiness, stderr: '' });
    const json = await answered(status, 'status', '--ready', '--json');
    expect({ ...json, stdout: JSON.parse(json.stdout) }).toEqual({ code, stdout: status, stderr: '' });
  });

  test('set notes a key without effect; get of an unset key is an error', async () => {
    expect(await answered({ success: true, key: 'x', value: '1', effect: false }, 'set', 'x', '1')).toEqual({
      code: 0,
      stdout: '✓ x = "1"',
      stderr: 'note: x has no effect in this version',
    });
    const misspelt = await answered(
      { success: true, key: 'loglevel', value: '1', effect: false },
      'set',
      'loglevel',
      '1',
    );
    expect(misspelt.stderr).toBe('note: loglevel has no effect in this version. Did you mean logLevel?');
    const none = await answered({ success: true, key: 'loglevel' }, 'get', 'loglevel');
    expect(none.stderr).toBe('loglevel is not set. Did you mean logLevel?');
    const missing = { success: true, key: 'x' };
    expect(await answered(missing, 'get', 'x')).toEqual({ code: 1, stdout: '', stderr: 'x is not set' });
    const json = await answered(missing, 'get', 'x', '--json');
    expect({ ...json, stdout: JSON.parse(json.stdout) }).toEqual({ code: 1, stdout: missing, stderr: 'x is not set' });
  });
});

describe('errors', () => {
  test('refusal: exit 1 and the sidecar’s message', async () => {
    const refusal = { success: false, error: 'Invalid IP address: 10.1' };
    const text = await answered(refusal, 'fs', 'drain', '10.1');
    expect(text).toEqual({ code: 1, stdout: '', stderr: 'Invalid IP address: 10.1' });
    const json = await answered(refusal, 'fs', 'drain', '10.1', '--json');
    expect(json).toEqual({ code: 1, stdout: JSON.stringify(refusal), stderr: 'Invalid IP address: 10.1' });
  });

  test.each([
    ['another protocol', 'SSH-2.0-OpenSSH\r\n'],
    ['another shape', '{"success":true,"servers":{}}\n'],
    ['nothing', ''],
  ])('%s as the answer: exit 1', async (_, answer) => {
    const { code, stdout, stderr } = await answered(answer, 'fs', 'list');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^the sidecar/);
  });

  test.each([
    ['fs drain', 'drain requires server IP address'],
    ['fs undrain', 'undrain requires server IP address'],
    ['trunk show', 'show requires gateway SID or the beginning of one, or the name of a carrier'],
    ['trunk refresh a b', 'Unexpected argument: b'],
    ['bogus', 'Unknown command: bogus'],
    ['fs bogus', 'Unknown command: bogus'],
    ['fs', 'Command expected'],
    ['fs list extra', 'Unexpected argument: extra'],
    ['fs list --bogus', 'Unknown option: --bogus'],
    ['--bogus', 'Unknown option: --bogus'],
    ['fs drain 10.0.0.1 --wait --timeout soon', '--timeout soon: expected a duration such as 90s, 10m or 1h'],
    ['fs drain 10.0.0.1 --wait --timeout 0', '--timeout 0: expected a duration such as 90s, 10m or 1h'],
    ['fs drain 10.0.0.1 --timeout 10m', '--timeout means something with --wait only'],
    ['set logLevel', 'set requires a value, taken as text'],
    ['completion tcsh', 'Unknown command: tcsh'],
    ['bogus --help', 'Unknown command: bogus'],
    ['fs drian 10.0.0.1', 'Unknown command: drian. Did you mean drain?'],
    ['drain 10.0.0.1', 'Unknown command: drain. Did you mean fs drain?'],
    ['fs list --jsn', 'Unknown option: --jsn. Did you mean --json?'],
    ['help trnk', 'Unknown command: trnk. Did you mean trunk?'],
  ])('%s: exit 2, the usage and after it the error; with --json also a document', async (line, message) => {
    const count = peer.asked.length;
    const { code, stdout, stderr } = await run(peer.path, line.split(' '));
    expect({ code, stdout, message: stderr.split('\n').at(-1) }).toEqual({ code: 2, stdout: '', message });
    expect(stderr).toMatch(/\nUSAGE .*\n\n.+$/s);
    const json = await run(peer.path, [...line.split(' '), '--json']);
    expect({ ...json, stdout: JSON.parse(json.stdout) }).toEqual({
      code: 2,
      stdout: { success: false, error: message },
      stderr,
    });
    expect(peer.asked.length).toBe(count);
  });

  test('a sidecar that does not answer: exit 3 after 5 s', async () => {
    peer.reply = () => undefined;
    const began = performance.now();
    const { code, stderr } = await run(peer.path, ['fs', 'list']);
    expect({ code, stderr }).toEqual({ code: 3, stderr: 'timed out: the sidecar did not answer within 5 s' });
    expect(performance.now() - began).toBeGreaterThan(4900);
  });

  test('a full disk is one line: exit 1', async () => {
    for (const flags of ['', ' --json']) {
      const command = `exec "${await sidecarBinary()}" version${flags} >/dev/full`;
      const { code, stderr } = await ended(spawnProcess('bash', ['-c', command]));
      expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/^cannot write: .*ENOSPC.*$/) });
      expect(stderr).not.toContain('\n');
    }
  });

  test('no sidecar: exit 4, the path of the socket and a hint', async () => {
    const { code, stdout, stderr } = await run('/nowhere/admin.sock', ['fs', 'drain', '10.0.0.1', '--wait']);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toBe(
      'no sidecar at /nowhere/admin.sock: there is no such file. To start one: sbc-sip-sidecar serve',
    );
  });
});

describe('the terminal', () => {
  const list = serverList({ serviceUrl: 'http://x/' }, { server: '10.0.0.2:5060', status: 'drained' });

  test('gets colours and symbols; NO_COLOR, pipes and --json get none', async () => {
    peer.reply = () => list;
    const { code, stdout } = await runOnTerminal(peer.path, ['fs', 'list']);
    expect(code).toBe(0);
    expect(stdout).toContain('🟢 10.0.0.1:5060  \x1b[32mactive \x1b[39m');
    expect(stdout).toContain('🔴 10.0.0.2:5060  \x1b[33mdrained\x1b[39m');
    expect((await runOnTerminal(peer.path, ['fs', 'list'], { NO_COLOR: '' })).stdout).toContain('\x1b[32m');
    const plain = (await run(peer.path, ['fs', 'list'])).stdout;
    expect(plain).not.toMatch(/\p{Cc}(?<!\n)|🟢|🔴/u);
    expect((await runOnTerminal(peer.path, ['fs', 'list'], { NO_COLOR: '1' })).stdout).toBe(plain);
    expect(await run(peer.path, ['fs', 'list'], { FORCE_COLOR: '1' })).toMatchObject({ stdout: plain });
    expect((await runOnTerminal(peer.path, ['fs', 'list', '--json'])).stdout).toBe(JSON.stringify(list));
  });

  test('never gets control characters from answers', async () => {
    const evil = '\x1b]0;owned\x07\u009b2J\u202eevil\nline';
    const everything = [
      [serverList({ server: evil, serviceUrl: evil }), 'fs', 'list'],
      [{ success: true, drained: [evil] }, 'fs', 'drained'],
      [{ success: true, available: [evil] }, 'fs', 'active'],
      [{ success: true, action: 'drain', server: evil, drained: [evil] }, 'fs', 'drain', 'x'],
      [{ success: true, key: evil, value: evil, effect: false }, 'set', 'a', 'b'],
      [{ success: true, key: evil }, 'get', 'a'],
      [{ success: true, config: { [evil]: evil } }, 'list'],
      [{ success: true, message: evil }, 'reload'],
      [{ success: false, error: evil }, 'reload'],
      [{ success: true, bans: [{ source: evil, until: 5 }], now: 1 }, 'ban', 'list'],
      [{ success: true, lifted: [evil] }, 'ban', 'clear'],
      [trunkList({ carrier: evil, host: evil, state: evil, transport: evil }), 'trunk', 'list'],
      [trunkList({ lastReason: evil, gateway: evil }), 'trunk', 'list'],
      [{ ...trunkList(), skipped: [{ carrier: evil, carrierSid: evil, gateway: evil, why: evil }] }, 'trunk', 'list'],
      [{ ...trunkList(), leading: false, holder: evil }, 'trunk', 'list'],
      [trunkShown({ carrier: evil, state: evil, realm: evil, username: evil, lastReason: evil }), 'trunk', 'show', 'x'],
      [{ success: true, refreshed: evil }, 'trunk', 'refresh'],
      [gatewayList({ carrier: evil, host: evil, lastAnswer: evil, gateway: evil }), 'gateway', 'list'],
      [{ ...gatewayList(), leading: false, holder: evil }, 'gateway', 'list'],
      [statusOf({ clusterId: evil, outbound: { ...statusOf().outbound, leading: false, holder: evil } }), 'status'],
      [trunkList({ lastReason: evil }), 'trunk', 'list', '--json'],
      [serverList({ serviceUrl: evil }), 'fs', 'list', '--json'],
      [{ success: false, error: evil }, 'reload', '--json'],
    ] as const;
    for (const [answer, ...args] of everything) {
      const { stdout, stderr } = await answered(answer, ...args);
      const text = stdout + stderr;
      expect(text).toContain('evil');
      expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
      expect(text).not.toContain('\nline');
    }
    const json = await answered(serverList({ serviceUrl: evil }), 'fs', 'list', '--json');
    expect(JSON.parse(json.stdout).servers[0].serviceUrl).toBe(evil);
  });
});
