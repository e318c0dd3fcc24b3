import { describe, expect, test } from 'bun:test';
import type { BindingDetails, BindingRow, RefusedRegister, RegistrationDetails } from '../../src/admin/protocol.ts';
import { AdminPeer } from '../support/admin-peer.ts';
import { run } from './cli.ts';

const peer = await AdminPeer.start();
const NOW = Date.UTC(2026, 4, 4, 10, 12);
const EVIL = '\x1b]0;owned\x07\u009b2J\u202eevil\nline';

async function answered(lines: readonly object[], ...args: string[]) {
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  peer.reply = () => text;
  return run(peer.path, args);
}

function row(changes: Partial<BindingRow> = {}): BindingRow {
  return {
    aor: 'john@example.com',
    contact: 'sip:john@192.168.1.20:5060',
    transport: 'udp',
    source: '203.0.113.7:5060',
    userAgent: 'Acme Phone 4.2',
    expiresAt: NOW + 2_880_000,
    ...changes,
  };
}

const part = (...bindings: BindingRow[]) => ({ success: true, more: true, bindings, now: NOW });
const LAST = { success: true, more: false };
const REFUSAL = { success: false, error: 'Redis: not connected' };

describe('reg list', () => {
  test('is a table, printed part by part', async () => {
    const alice = row({ aor: 'alice@example.com', transport: 'wss', source: '[2001:db8::1]:49812', userAgent: null });
    const long = row({ aor: 'a-much-longer-name@example.com', contact: `sip:${'x'.repeat(80)}` });
    const { stdout, code } = await answered([part(row(), alice), part(), part(long), LAST], 'reg', 'list');
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([
      'Registrations:',
      '  AOR                CONTACT                     TRANSPORT  SOURCE               EXPIRES    USER AGENT',
      '  john@example.com   sip:john@192.168.1.20:5060  udp        203.0.113.7:5060     in 48 min  Acme Phone 4.2',
      '  alice@example.com  sip:john@192.168.1.20:5060  wss        [2001:db8::1]:49812  in 48 min  -',
      `  a-much-longer-name@example.com  sip:${'x'.repeat(59)}…  udp        203.0.113.7:5060     in 48 min  Acme Phone 4.2`,
    ]);
  });

  test('asks for what its flags name', async () => {
    const count = peer.asked.length;
    await answered([LAST], 'reg', 'list', '--aor', 'al', '--realm', 'x', '--source', '192.0.2.1', '--transport', 'tls');
    expect(peer.asked.slice(count)).toEqual([
      { action: 'reg-list', aor: 'al', realm: 'x', source: '192.0.2.1', transport: 'tls' },
    ]);
    expect(await answered([LAST], 'reg', 'list')).toEqual({ code: 0, stdout: 'No registrations', stderr: '' });
  });

  test('with --json is one document', async () => {
    const rows = [row(), row({ aor: 'b@x' }), row({ aor: EVIL })];
    const [first = row(), ...others] = rows;
    const { stdout, code, stderr } = await answered([part(first), part(...others), LAST], 'reg', 'list', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ bindings: rows, success: true });
    expect(stdout.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(JSON.parse((await answered([LAST], 'reg', 'list', '--json')).stdout)).toEqual({
      bindings: [],
      success: true,
    });
  });

  test('that fails in the middle says so: exit 1, and with --json in the document', async () => {
    const text = await answered([part(row()), REFUSAL], 'reg', 'list');
    expect(text).toMatchObject({ code: 1, stderr: 'Redis: not connected' });
    const json = await answered([part(row()), REFUSAL], 'reg', 'list', '--json');
    expect(json).toMatchObject({ code: 1, stderr: 'Redis: not connected' });
    expect(JSON.parse(json.stdout)).toEqual({ bindings: [row()], ...REFUSAL });
    expect(JSON.parse((await answered([REFUSAL], 'reg', 'list', '--json')).stdout)).toEqual(REFUSAL);
  });

  test('when the sidecar stops meanwhile: exit 4', async () => {
    const stopping = { success: false, error: 'the sidecar stops', stopping: true };
    const { code, stderr } = await answered([part(row()), stopping], 'reg', 'list');
    expect({ code, stderr }).toEqual({ code: 4, stderr: 'the sidecar stops' });
  });
});

describe('reg count', () => {
  const parts = [
    part(row(), row({ transport: 'wss', userAgent: 'JsSIP' })),
    part(row({ aor: 'b@x', userAgent: null }), row({ aor: 'c@x', transport: null })),
    LAST,
  ];

  test('counts bindings and AORs', async () => {
    expect((await answered(parts, 'reg', 'count')).stdout).toBe('4 bindings of 3 AORs');
    const json = await answered(parts, 'reg', 'count', '--json');
    expect(JSON.parse(json.stdout)).toEqual({ success: true, bindings: 4, aors: 3 });
    expect((await answered([LAST], 'reg', 'count', '--by', 'realm')).stdout).toBe('0 bindings of 0 AORs');
  });

  test.each([
    [
      'realm',
      [
        ['example.com', 2],
        ['x', 2],
      ],
    ],
    [
      'transport',
      [
        ['udp', 2],
        ['wss', 1],
        [null, 1],
      ],
    ],
    [
      'user-agent',
      [
        ['Acme Phone 4.2', 2],
        ['JsSIP', 1],
        [null, 1],
      ],
    ],
  ] as const)('by %s, the most frequent first', async (by, counts) => {
    const json = await answered(parts, 'reg', 'count', '--by', by, '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({
      by,
      counts: counts.map(([value, bindings]) => ({ value, bindings })),
    });
  });

  test('by transport is a table', async () => {
    expect((await answered(parts, 'reg', 'count', '--by', 'transport')).stdout.split('\n')).toEqual([
      '4 bindings of 3 AORs',
      '  TRANSPORT  BINDINGS',
      '  udp               2',
      '  wss               1',
      '  -                 1',
    ]);
  });

  test('keeps 10 000 values of what phones may make up', async () => {
    const many = Array.from({ length: 12_000 }, (_, i) => row({ userAgent: `phone ${i}` }));
    const json = await answered([part(...many), part(...many), LAST], 'reg', 'count', '--by', 'user-agent', '--json');
    const { bindings, counts } = JSON.parse(json.stdout);
    expect({ bindings, values: counts.length, first: counts[0] }).toEqual({
      bindings: 24_000,
      values: 10_001,
      first: { value: null, bindings: 4000 },
    });
  });
});

const BINDING: BindingDetails = {
  ...row(),
  contactParams: ';reg-id=1',
  key: 'sip:john@192.168.1.20:5060',
  callId: 'a84b4c76e66710',
  cseq: 314,
  registeredAt: NOW - 720_000,
  sbcAddress: 'udp/192.0.2.1:5060',
  privateSbcAddress: '10.0.0.5:5060',
  callHook: null,
  callStatusHook: 'https://hook.example/status',
  directAppCalling: true,
  directQueueCalling: false,
  directUserCalling: true,
};

const REFUSED: RefusedRegister = {
  at: NOW - 180_000,
  reason: 'InvalidCredentials',
  detail: 'user john',
  status: 403,
  source: '203.0.113.7:5062',
  transport: 'udp',
  userAgent: null,
  callId: '0a1b',
  bannedUntil: NOW + 240_000,
};

const DETAILS: RegistrationDetails = {
  aor: 'john@example.com',
  bindings: [BINDING],
  account: { sid: 'account-1', realm: 'example.com', active: true, webhook: null },
  client: { username: 'john', active: true },
  unknownBecause: null,
  lastRefusal: null,
  now: NOW,
};

describe('reg show', () => {
  const shown = async (changes: Partial<RegistrationDetails>, without: readonly string[] = []) => {
    const details = Object.entries({ success: true, ...DETAILS, ...changes }).filter(
      ([name]) => !without.includes(name),
    );
    const { stdout, code } = await answered([Object.fromEntries(details)], 'reg', 'show', 'john@example.com');
    expect(code).toBe(0);
    return stdout.split('\n');
  };

  test('shows bindings and the last refusal', async () => {
    expect(await shown({ lastRefusal: REFUSED })).toEqual([
      'AOR:         john@example.com',
      'Account:     account-1 (example.com), active',
      'Client:      john, active',
      'Registered:  yes, 1 binding',
      '',
      'Contact:          <sip:john@192.168.1.20:5060>;reg-id=1',
      'Identity:         sip:john@192.168.1.20:5060',
      'Transport:        udp',
      'Source:           203.0.113.7:5060',
      'User agent:       Acme Phone 4.2',
      'Registered:       12 min ago',
      'Expires:          in 48 min',
      'Call-ID:          a84b4c76e66710',
      'CSeq:             314',
      'SBC address:      udp/192.0.2.1:5060',
      'Private address:  10.0.0.5:5060',
      'Call hook:        -',
      'Status hook:      https://hook.example/status',
      'May call:         applications, users',
      '',
      'Last refusal:  3 min ago',
      'Reason:        InvalidCredentials: user john',
      'Response:      403',
      'Source:        203.0.113.7:5062',
      'Transport:     udp',
      'User agent:    -',
      'Call-ID:       0a1b',
      'Banned:        for 4 min',
    ]);
  });

  test.each([
    [{ account: null }, ['client'], 'Account:       none has this realm', 'Client:        -'],
    [{ client: null }, [], 'Account:       account-1 (example.com), active', 'Client:        none has this name'],
    [
      { unknownBecause: 'MySQL: away' },
      ['account', 'client'],
      'Account:       unknown: MySQL: away',
      'Client:        -',
    ],
    [
      { unknownBecause: 'MySQL: away' },
      ['client'],
      'Account:       account-1 (example.com), active',
      'Client:        unknown: MySQL: away',
    ],
    [
      { account: { sid: 'a', realm: 'x', active: false, webhook: 'https://hook/' } },
      ['client'],
      'Account:       a (x), deactivated',
      'Client:        authenticated by the webhook https://hook/',
    ],
  ])('%j without %j', async (changes, without, account, client) => {
    expect(await shown({ bindings: [], ...changes }, without)).toEqual([
      'AOR:           john@example.com',
      account,
      client,
      'Registered:    no',
      'Last refusal:  none since this sidecar started',
    ]);
  });
});

describe('reg remove', () => {
  test.each([
    [
      { removed: ['sip:a', 'sip:b'], remaining: 0 },
      '✓ Removed from john@example.com, it is offline now:\n  sip:a\n  sip:b',
    ],
    [{ removed: ['sip:a'], remaining: 2 }, '✓ Removed from john@example.com, 2 remaining:\n  sip:a'],
  ])('%j', async (answer, stdout) => {
    const whole = { success: true, aor: 'john@example.com', ...answer };
    expect(await answered([whole], 'reg', 'remove', 'john@example.com')).toEqual({ code: 0, stdout, stderr: '' });
  });

  test('names the Contact, if there is one', async () => {
    const count = peer.asked.length;
    await answered([REFUSAL], 'reg', 'remove', 'john@example.com', 'sip:a');
    await answered([REFUSAL], 'reg', 'remove', 'john@example.com');
    expect(peer.asked.slice(count)).toEqual([
      { action: 'reg-remove', aor: 'john@example.com', contact: 'sip:a' },
      { action: 'reg-remove', aor: 'john@example.com' },
    ]);
  });
});

describe('events', () => {
  const events = (dropped: number, ...list: object[]) => ({ success: true, more: true, dropped, events: list });
  const STOPPING = { success: false, error: 'the sidecar stops', stopping: true };
  const registered = { id: 1, at: NOW, type: 'registered', aor: 'john@example.com', presence: 'online' };
  const details = { userAgent: 'Acme "x" y=z', expiresAt: NOW + 1000 };

  test('are a line each: time, type, AOR, and all other fields; exit 4 when the sidecar stops', async () => {
    const drained = { id: 2, at: NOW + 12, type: 'drained', server: '10.0.0.1' };
    const lines = [
      { success: true, more: true },
      events(0, { ...registered, ...details }),
      events(3, drained),
      STOPPING,
    ];
    expect(await answered(lines, 'events')).toEqual({
      code: 4,
      stdout: [
        '2026-05-04T10:12:00.000Z  registered           john@example.com  presence=online  userAgent="Acme \\"x\\" y=z"  expiresAt=2026-05-04T10:12:01.000Z',
        '(3 events are missing here: they were not read in time)',
        '2026-05-04T10:12:00.012Z  drained              server=10.0.0.1',
      ].join('\n'),
      stderr: 'the sidecar stops',
    });
  });

  test('with --json are a document each', async () => {
    const { stdout } = await answered([events(0, registered), events(2, registered), STOPPING], 'events', '--json');
    expect(stdout.split('\n').map((line) => JSON.parse(line))).toEqual([
      registered,
      { dropped: 2 },
      registered,
      { success: false, error: 'the sidecar stops' },
    ]);
  });

  test('are asked for as the flags say', async () => {
    const count = peer.asked.length;
    await answered([STOPPING], 'events', '--aor', 'a@x', '--type', 'refused, banned', '--recent', '20');
    await answered([STOPPING], 'events');
    expect(peer.asked.slice(count)).toEqual([
      { action: 'events', aor: 'a@x', types: ['refused', 'banned'], recent: 20 },
      { action: 'events' },
    ]);
  });

  test('of times beyond what a Date can hold are printed as numbers', async () => {
    const { stdout } = await answered([events(0, { ...registered, at: 9e15, until: -9e15 }), STOPPING], 'events');
    expect(stdout).toBe(
      '9000000000000000  registered           john@example.com  presence=online  until=-9000000000000000',
    );
  });
});

test.each([
  ['events --recent all', '--recent all: expected a number up to 500'],
  ['events --recent 501', '--recent 501: expected a number up to 500'],
  ['reg count --by colour', '--by takes realm, transport, user-agent, not colour'],
  ['reg show', 'show requires user@realm, as `reg list` shows it'],
  ['reg count --by transprot', '--by takes realm, transport, user-agent, not transprot. Did you mean transport?'],
  ['reg list --transport utp', '--transport takes udp, tcp, tls, ws, wss, not utp. Did you mean udp?'],
  ['reg', 'Command expected'],
])('%s: exit 2, the usage and after it the error', async (line, message) => {
  const count = peer.asked.length;
  const { code, stdout, stderr } = await run(peer.path, line.split(' '));
  expect({ code, stdout, message: stderr.split('\n').at(-1) }).toEqual({ code: 2, stdout: '', message });
  expect(stderr).toContain('USAGE');
  expect(peer.asked.length).toBe(count);
});

test('the terminal never gets control characters', async () => {
  const everything = [
    [[part(row({ aor: EVIL, contact: EVIL, userAgent: EVIL, source: EVIL })), LAST], 'reg', 'list'],
    [[part(row({ userAgent: EVIL })), LAST], 'reg', 'count', '--by', 'user-agent'],
    [[{ success: true, ...DETAILS, aor: EVIL, bindings: [{ ...BINDING, contact: EVIL }] }], 'reg', 'show', 'x@y'],
    [[{ success: true, ...DETAILS, lastRefusal: { ...REFUSED, detail: EVIL } }], 'reg', 'show', 'x@y'],
    [[{ success: true, aor: EVIL, removed: [EVIL], remaining: 0 }], 'reg', 'remove', 'x@y'],
    [
      [{ success: true, more: false, dropped: 0, events: [{ id: 1, at: 1, type: EVIL, aor: EVIL, [EVIL]: EVIL }] }],
      'events',
    ],
    [[{ success: true, more: false, dropped: 0, events: [{ id: 1, at: 1, type: EVIL }] }], 'events', '--json'],
  ] as const;
  for (const [lines, ...args] of everything) {
    const { stdout, stderr } = await answered(lines, ...args);
    const text = stdout + stderr;
    expect(text).toContain('evil');
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text).not.toContain('\nline');
  }
});
