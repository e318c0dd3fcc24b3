import { describe, expect, test } from 'bun:test';
import { AdminPeer, gatewayList, LEADING, statusOf, trunkList, trunkShown } from '../support/admin-peer.ts';
import { run, runOnTerminal } from './cli.ts';

const NO_LEADER = { leading: false, holder: null };
const OTHER_LEADER = { leading: false, holder: 'sbc-2/9/xyz' };

const peer = await AdminPeer.start();

/** Runs a command against a peer that answers this. Returns its text; checks that --json prints the answer. */
async function answered(answer: object, ...args: string[]): Promise<string> {
  peer.reply = () => answer;
  const json = await run(peer.path, [...args, '--json']);
  expect(json).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(json.stdout)).toEqual(answer);
  const text = await run(peer.path, args);
  expect(text).toMatchObject({ code: 0, stderr: '' });
  return text.stdout;
}

describe('trunk list', () => {
  const list = trunkList(
    { carrier: 'carrier 10', gateway: 'g-3' },
    {
      carrier: 'carrier 2',
      gateway: 'g-2',
      host: '2001:db8::1',
      port: 5061,
      transport: 'tls',
      state: 'failing',
      expiresAt: null,
      lastReason: '403 Forbidden',
      nextTryAt: 1_800_000_000_000,
    },
    { carrier: 'Carrier 2', gateway: 'g-1', state: 'queued', expiresAt: null, lastReason: null, nextTryAt: null },
  );

  test('is a table sorted by carrier, followed by the skipped gateways', async () => {
    const skipped = [
      { carrier: 'Zeta', carrierSid: 'c-9', gateway: 'g-9', why: 'it has no password' },
      { carrier: 'Beta', carrierSid: 'c-8', gateway: 'g-8', why: 'the same registration as that of gateway g-1' },
      { carrier: 'Beta', carrierSid: 'c-7', gateway: null, why: 'it has no gateway' },
    ];
    expect(await answered({ ...list, skipped }, 'trunk', 'list')).toBe(
      [
        'Trunks:',
        '  CARRIER     GATEWAY                 STATE       SINCE      EXPIRES    LAST ANSWER    NEXT TRY   SID',
        '  carrier 2   tls/[2001:db8::1]:5061  failing     2 min ago  -          403 Forbidden  now        g-2',
        '  Carrier 2   udp/sip.acme.example    queued      2 min ago  -          -              -          g-1',
        '  carrier 10  udp/sip.acme.example    registered  2 min ago  in 58 min  200 OK         in 50 min  g-3',
        '',
        'Not registered:',
        '  CARRIER  WHY                                           SID',
        '  Beta     it has no gateway                             -',
        '  Beta     the same registration as that of gateway g-1  g-8',
        '  Zeta     it has no password                            g-9',
      ].join('\n'),
    );
    expect(peer.asked.at(-1)).toEqual({ action: 'trunk-list' });
  });

  test('without trunks; says so when another sidecar or none is the leader', async () => {
    expect(await answered(trunkList(), 'trunk', 'list')).toBe('No trunks');
    const otherLeader = 'Another sidecar registers at carriers: sbc-2/9/xyz\nNo trunks';
    expect(await answered({ ...trunkList(), ...OTHER_LEADER }, 'trunk', 'list')).toBe(otherLeader);
    const noLeader = 'No sidecar registers at carriers now\nNo trunks';
    expect(await answered({ ...trunkList(), ...NO_LEADER }, 'trunk', 'list')).toBe(noLeader);
  });

  test('wide names and long answers keep the columns aligned', async () => {
    const wide = trunkList({ carrier: '東京', lastReason: `503 ${'x'.repeat(60)}` }, { carrier: 'Acme 1' });
    const lines = (await answered(wide, 'trunk', 'list')).split('\n').slice(1);
    const columns = lines.map((line) => Bun.stringWidth(line.slice(0, line.search(/SID|gateway-1/))));
    expect(new Set(columns).size).toBe(1);
    expect(lines.join('\n')).toContain(`503 ${'x'.repeat(43)}…  `);
  });

  test('an answer of 48 characters is not cut, whatever the characters', async () => {
    const whole = '😀'.repeat(48);
    const rows = await answered(trunkList({ lastReason: whole }, { lastReason: `${whole}x` }), 'trunk', 'list');
    expect(rows).toContain(`${whole} `);
    expect(rows).toContain(`  ${'😀'.repeat(47)}… `);
  });

  test('10 000 trunks', async () => {
    const many = trunkList(...Array.from({ length: 10_000 }, (_, i) => ({ carrier: `C ${i}`, gateway: `g-${i}` })));
    peer.reply = () => many;
    const { stdout } = await run(peer.path, ['trunk', 'list']);
    const sids = stdout.split('\n').flatMap((line) => /g-\d+$/.exec(line) ?? []);
    expect(sids).toEqual(many.trunks.map(({ gateway }) => gateway));
  });

  test.each([220, 120, 100, 80, 60])('fits a terminal of %d columns', async (columns) => {
    const carriers = ['A carrier with a long name', 'Acme', '東京テレコム'];
    const rows = carriers.map((carrier, i) => ({
      carrier,
      host: 'registrar-of-the-region.sip.carrier.example',
      gateway: `4e5a2c6e-9d3b-4f6c-8a71-0f6d2b9c1e3${i}`,
      lastReason: '503 Service Unavailable, try again later',
    }));
    peer.reply = () => trunkList(...rows.map((row, i) => ({ ...row, gateway: `${i}${row.gateway}` })));
    const { stdout } = await runOnTerminal(peer.path, ['trunk', 'list'], { NO_COLOR: '1' }, columns);
    const lines = stdout.split('\n').slice(1);
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
    // What a command needs of each SID.
    for (const [i, line] of lines.slice(1).entries()) expect(line).toMatch(new RegExp(`^  \\S.* ${i}4e5a2c6[-\\w]*$`));
    if (columns === 220) expect(lines.join('\n')).toContain('04e5a2c6e-9d3b-4f6c-8a71-0f6d2b9c1e30');
    if (columns >= 80) expect(lines[0]).toMatch(/CARRIER .*GATEWAY .*STATE .*LAST ANSWER .*SID/);
  });

  test('states are coloured on a terminal', async () => {
    peer.reply = () => list;
    const { stdout } = await runOnTerminal(peer.path, ['trunk', 'list']);
    for (const symbol of ['🟢 carrier 10 ', '🔴 carrier 2 ', '🟡 Carrier 2 ']) expect(stdout).toContain(symbol);
    for (const painted of ['\x1b[32mregistered\x1b[39m', '\x1b[31mfailing   \x1b[39m', '\x1b[33mqueued    \x1b[39m'])
      expect(stdout).toContain(painted);
  });
});

describe('trunk show', () => {
  test('prints every field', async () => {
    const trunk = trunkShown({ port: 5080, state: 'failing', expiresAt: null, lastReason: '403 No', failures: 3 });
    expect((await answered(trunk, 'trunk', 'show', 'gateway-1')).split('\n')).toEqual([
      'Carrier:      Acme',
      'Carrier SID:  carrier-1',
      'Gateway:      udp/sip.acme.example:5080',
      'Gateway SID:  gateway-1',
      'Call-ID:      gateway-1',
      'CSeq:         17',
      'Realm:        acme.example',
      'Username:     us',
      'Trunk type:   auth',
      'State:        failing',
      'Since:        2 min ago',
      'Expires:      -',
      'Last answer:  403 No',
      'Next try:     in 50 min',
      'Failures:     3 in a row',
    ]);
    expect(peer.asked.at(-1)).toEqual({ action: 'trunk-show', gateway: 'gateway-1' });
  });

  test('before the first answer', async () => {
    const fresh = trunkShown({ state: 'queued', lastReason: null, nextTryAt: null, expiresAt: null, cseq: 0 });
    const text = await answered(fresh, 'trunk', 'show', 'x');
    for (const label of ['CSeq', 'Expires', 'Last answer', 'Next try'])
      expect(text).toMatch(new RegExp(`^${label}: +-$`, 'm'));
    expect(text).toMatch(/^Failures: +none$/m);
  });

  test.each(['show x', 'refresh x'])('%s: an unknown trunk is exit 1', async (args) => {
    peer.reply = () => ({ success: false, error: 'Unknown trunk: x' });
    const refused = { code: 1, stdout: '', stderr: 'Unknown trunk: x' };
    expect(await run(peer.path, ['trunk', ...args.split(' ')])).toEqual(refused);
  });
});

test('trunk refresh of all carriers or of one gateway', async () => {
  const all = await answered({ success: true, refreshed: 'carriers read again' }, 'trunk', 'refresh');
  expect(all).toBe('✓ carriers read again');
  expect(peer.asked.at(-1)).toEqual({ action: 'trunk-refresh' });
  const one = await answered({ success: true, refreshed: 'registering at g-1 now' }, 'trunk', 'refresh', 'g-1');
  expect(one).toBe('✓ registering at g-1 now');
  expect(peer.asked.at(-1)).toEqual({ action: 'trunk-refresh', gateway: 'g-1' });
});

describe('gateway list', () => {
  const unheard = { state: 'unknown', since: null, lastAnswer: null, lastAnswerAt: null, rttMs: null } as const;
  const list = gatewayList(
    { carrier: 'Cable', gateway: 'g-3', ...unheard },
    { carrier: 'Bell', gateway: 'g-2', state: 'down', lastAnswer: 'no answer (408 Request Timeout)', rttMs: 120.6 },
    { gateway: 'g-1', port: 5060 },
  );
  const table = [
    'Gateways:',
    '  CARRIER  GATEWAY                    STATE    SINCE          LAST ANSWER                      LAST PING     RTT  SID',
    '  Acme     udp/sip.acme.example:5060  up       1 h 0 min ago  200 OK                           4 s ago     18 ms  g-1',
    '  Bell     udp/sip.acme.example       down     1 h 0 min ago  no answer (408 Request Timeout)  4 s ago    121 ms  g-2',
    '  Cable    udp/sip.acme.example       unknown  -              -                                -               -  g-3',
  ].join('\n');

  test('is a table sorted by carrier, also for a sidecar that is not the leader', async () => {
    expect(await answered(list, 'gateway', 'list')).toBe(table);
    const otherLeader = `Another sidecar registers at carriers: sbc-2/9/xyz\n${table}`;
    expect(await answered({ ...list, ...OTHER_LEADER }, 'gateway', 'list')).toBe(otherLeader);
  });

  test('without gateways', async () => {
    expect(await answered(gatewayList(), 'gateway', 'list')).toBe('No gateways');
    const noLeader = 'No sidecar registers at carriers now\nNo gateways';
    expect(await answered({ ...gatewayList(), ...NO_LEADER }, 'gateway', 'list')).toBe(noLeader);
  });

  test('states are coloured on a terminal', async () => {
    peer.reply = () => list;
    const { stdout } = await runOnTerminal(peer.path, ['gateway', 'list']);
    for (const symbol of ['🟢 Acme ', '🔴 Bell ', '🟡 Cable ']) expect(stdout).toContain(symbol);
    for (const painted of ['\x1b[32mup     \x1b[39m', '\x1b[31mdown   \x1b[39m', '\x1b[33munknown\x1b[39m'])
      expect(stdout).toContain(painted);
  });
});

describe('status', () => {
  const NONE = { trunks: { total: 0, registered: 0 }, gateways: { up: 0, down: 0, unknown: 0 } };
  const SOME = { trunks: { total: 3, registered: 2 }, gateways: { up: 4, down: 1, unknown: 2 } };
  const COUNTS = ['Trunks:           2 registered of 3', 'Gateways:         4 up, 1 down, 2 unknown'];

  test.each([
    ['that is the leader', { ...LEADING, ...SOME }, ['Lease holder:     this sidecar', ...COUNTS]],
    ['that is not the leader', { ...OTHER_LEADER, ...NONE }, ['Lease holder:     sbc-2/9/xyz']],
    ['that pings but is not the leader', { ...OTHER_LEADER, ...SOME }, ['Lease holder:     sbc-2/9/xyz', ...COUNTS]],
    ['in a cluster without a leader', { ...NO_LEADER, ...NONE }, ['Lease holder:     nobody']],
  ])('of a sidecar %s', async (_, outbound, expected) => {
    const lines = (await answered(statusOf({ outbound }), 'status')).split('\n');
    expect(lines.slice(lines.findIndex((line) => line.startsWith('Lease')))).toEqual(expected);
  });

  test('the leader is unknown while the store does not answer', async () => {
    const status = statusOf({ featureServers: null, rtpServers: null, outbound: { ...NO_LEADER, ...NONE } });
    expect(await answered(status, 'status')).toEndWith('\nLease holder:     unknown: the store does not answer');
  });
});
