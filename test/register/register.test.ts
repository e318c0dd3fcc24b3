import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Directory } from '../../src/ports/directory.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import { accept } from '../../src/register/accept.ts';
import type { RegisterRules } from '../../src/register/index.ts';
import { parseRegister } from '../../src/register/register-request.ts';
import { Refusal } from '../../src/register/reject.ts';
import { headerLine } from '../../src/sip/message.ts';
import { openCore } from '../support/core.ts';
import { headerOf, Phone, pipeline, type RegisterFields } from '../support/phone.ts';
import { sipRequest } from '../support/sip-request.ts';

function alice(core: ReturnType<typeof openCore>) {
  return new Phone(pipeline(core.rules), 'alice', 'wonderland');
}

describe('registering', () => {
  test('a REGISTER is challenged, then granted with Contact, Expires and Date', async () => {
    const phone = alice(openCore());
    const challenged = await phone.send();
    expect(challenged.status).toBe(401);
    expect(headerOf(challenged, 'WWW-Authenticate')).toMatch(
      /^Digest realm="sip.example.com", nonce="[\w-]+", qop="auth", algorithm=MD5$/,
    );
    const granted = await phone.send({ authorization: phone.answer(challenged) });
    expect(granted).toMatchObject({
      status: 200,
      headers: { Contact: `<${phone.contact}>;expires=30`, Expires: '30' },
    });
    expect(headerOf(granted, 'Date')).toBe('Thu, 01 Jan 2026 00:00:00 GMT');
  });

  test('over UDP the binding lasts as long as requested, although the 200 grants 30 s', async () => {
    const core = openCore();
    await alice(core).register({ expires: '600' });
    const { bindings } = await core.rules.location.lookup(
      { user: 'alice', realm: 'sip.example.com' },
      { several: false },
    );
    expect(bindings).toMatchObject([
      {
        contact: 'sip:alice@192.0.2.7:5060',
        expiryTime: core.clock.now() + 600_000,
        proxy: 'sip:192.0.2.7:5060',
        protocol: 'udp',
        sbcAddress: 'udp/10.0.0.5:5060,tcp/10.0.0.5:5060',
        privateSbcAddress: '10.0.0.5:5060',
        grant: { allowDirectAppCalling: 1, allowDirectQueueCalling: 1, allowDirectUserCalling: 1 },
      },
    ]);
  });

  test('over TCP the 200 grants the whole time', async () => {
    const answer = await alice(openCore()).register({ via: 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1', expires: '600' });
    expect(headerOf(answer, 'Expires')).toBe('600');
  });

  test('the expires parameter of the Contact counts; without any expiry the default does', async () => {
    const core = openCore();
    const via = 'SIP/2.0/TLS 192.0.2.7;branch=z9hG4bK1';
    expect(headerOf(await alice(core).register({ via, expires: null }), 'Expires')).toBe('3600');
    const contact = '<sip:alice@192.0.2.8>;expires=77;+sip.instance="<urn:uuid:1>";q=0.5';
    const answer = await alice(core).register({ via, contact, callId: 'x' });
    expect(headerOf(answer, 'Contact')).toBe('<sip:alice@192.0.2.8>;+sip.instance="<urn:uuid:1>";q=0.5;expires=77');
  });

  test('the granted expiry is at most the configured maximum, and at most 2^32-1', async () => {
    const via = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';
    const limited = alice(openCore({ maxExpires: 900 }));
    expect(headerOf(await limited.register({ via, expires: '7200' }), 'Expires')).toBe('900');
    const endless = alice(openCore());
    expect(headerOf(await endless.register({ via, expires: '99999999999' }), 'Expires')).toBe('4294967295');
  });
});

describe('a refresh', () => {
  test('is granted without authentication while more than 30 s are left', async () => {
    const core = openCore();
    const phone = alice(core);
    await phone.register();
    core.clock.advance(569_000);
    expect(await phone.send()).toMatchObject({ status: 200, headers: { Expires: '30' } });
    core.clock.advance(1000);
    expect((await phone.send()).status).toBe(401);
  });

  test('over TCP is granted the time that the stored binding has left', async () => {
    const core = openCore();
    const phone = alice(core);
    const via = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';
    await phone.register({ via });
    core.clock.advance(100_500);
    expect(headerOf(await phone.send({ via }), 'Expires')).toBe('499');
  });

  test('is never granted more than it asks for', async () => {
    const phone = alice(openCore());
    const via = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';
    await phone.register({ via });
    const answer = await phone.send({ via, expires: '100' });
    expect(answer).toMatchObject({
      status: 200,
      headers: { Contact: `<${phone.contact}>;expires=100`, Expires: '100' },
    });
  });

  test('with a fresh nonce asks the store once, and repeated is a refresh', async () => {
    const core = openCore();
    const asked: string[] = [];
    const { location } = core.rules;
    const counting: RegisterRules['location'] = {
      lookup(...each) {
        asked.push('lookup');
        return location.lookup(...each);
      },
      update(...each) {
        asked.push('update');
        return location.update(...each);
      },
    };
    const phone = new Phone(pipeline({ ...core.rules, location: counting }), 'alice', 'wonderland');
    const authorization = phone.answer(await phone.send());
    expect((await phone.send({ authorization })).status).toBe(200);
    expect(asked).toEqual(['lookup', 'update']);
    expect((await phone.send({ authorization })).status).toBe(200);
    expect((await phone.send({ authorization, contact: '<sip:alice@192.0.2.9>' })).status).toBe(401);
    expect(asked).toEqual(['lookup', 'update', 'lookup', 'lookup']);
  });

  test('is granted with credentials whose nonce has expired', async () => {
    const core = openCore();
    const phone = alice(core);
    const challenged = await phone.send();
    await phone.send({ authorization: phone.answer(challenged) });
    core.clock.advance(300_001);
    expect((await phone.send({ authorization: phone.answer(challenged) })).status).toBe(200);
  });

  test('that also removes or adds a binding must be authenticated', async () => {
    const phone = alice(openCore({ maxContacts: 3 }));
    const [kept, other, added] = ['<sip:alice@192.0.2.1>', '<sip:alice@192.0.2.2>', '<sip:alice@192.0.2.3>'];
    await phone.register({ contact: `${kept}, ${other}` });
    for (const [contact, status] of [
      [`${kept}, ${other}`, 200],
      [`${kept}, ${other};expires=0`, 401],
      [`${kept}, ${added}`, 401],
    ] as const)
      expect([contact, (await phone.send({ contact })).status]).toEqual([contact, status]);
  });

  test('with its Contact in another spelling must be authenticated', async () => {
    const phone = alice(openCore());
    await phone.register({ contact: '<sip:alice@phone.example.com>' });
    expect((await phone.send({ contact: '<sip:alice@PHONE.example.com>' })).status).toBe(401);
  });

  const changes: [string, RegisterFields][] = [
    ['another contact', { contact: '<sip:alice@192.0.2.9>' }],
    ['another source port', { source: { address: '192.0.2.7', port: 5061 } }],
    ['another source address', { source: { address: '192.0.2.8', port: 5060 } }],
    ['another transport', { via: 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1' }],
    ['an expiry of 0', { expires: '0' }],
  ];
  test.each(changes)('with %s must be authenticated', async (_, change) => {
    const phone = alice(openCore());
    await phone.register();
    expect((await phone.send(change)).status).toBe(401);
  });
});

describe('an invalid REGISTER', () => {
  const WILDCARD_MISUSED = 'Contact * needs Expires 0 and no other Contact';
  const cases: [string, RegisterFields, number, string | undefined][] = [
    ['an IPv4 address as domain', { uri: 'sip:192.0.2.1' }, 403, undefined],
    ['an IPv6 address as domain', { uri: 'sip:[2001:db8::1]' }, 403, undefined],
    ['an invalid domain', { uri: 'sip:example..com' }, 403, undefined],
    ['an IPv4 address in its AOR', { to: '<sip:alice@192.0.2.1>' }, 403, undefined],
    ['an AOR without a user', { to: '<sip:sip.example.com>' }, 403, 'Invalid address of record'],
    ['an AOR with two @', { to: '<sip:alice@home@sip.example.com>' }, 403, 'Invalid address of record'],
    ['an AOR with an escaped @', { to: '<sip:alice%40home@sip.example.com>' }, 403, 'Invalid address of record'],
    [
      'an AOR with an escaped line break',
      { to: '<sip:al%0d%0aice@sip.example.com>' },
      403,
      'Invalid address of record',
    ],
    ['an AOR that is not a SIP URI', { to: '<tel:+15551234>' }, 403, 'Invalid address of record'],
    ['an AOR at a host that is no domain name', { to: '<sip:alice@my_host>' }, 403, 'Invalid address of record'],
    ['an AOR with a blank', { to: '<sip:al ice@sip.example.com>' }, 403, 'Invalid address of record'],
    ['an AOR with an empty user', { to: '<sip:@sip.example.com>' }, 403, 'Invalid address of record'],
    ['an AOR with a half escape', { to: '<sip:alice%4@sip.example.com>' }, 403, 'Invalid address of record'],
    ['a Contact that is no URI', { contact: '<alice@192.0.2.7>' }, 400, 'Malformed Contact'],
    ['a Contact of nothing but a scheme', { contact: '<sip:>' }, 400, 'Malformed Contact'],
    ['an empty Contact', { contact: '' }, 400, 'Malformed Contact'],
    ['an escaped NUL in a Contact', { contact: '<sip:a@b>;x="\\\0"' }, 400, 'Malformed Contact'],
    ['* with an expiry of its own', { contact: '*;expires=3600', expires: '0' }, 400, WILDCARD_MISUSED],
    ['* and a malformed expiry', { contact: '*', expires: 'abc' }, 400, WILDCARD_MISUSED],
    ['* twice', { contact: '*, *', expires: '0' }, 400, WILDCARD_MISUSED],
    ['* for an hour', { contact: '*', expires: '3600' }, 400, WILDCARD_MISUSED],
    ['* without an expiry', { contact: '*', expires: null }, 400, WILDCARD_MISUSED],
    ['* next to another Contact', { contact: '*, <sip:a@192.0.2.7>', expires: '0' }, 400, WILDCARD_MISUSED],
  ];
  test.each(cases)('with %s is refused: %#', async (_, fields, status, why) => {
    const answer = await alice(openCore()).send(fields);
    expect(answer.status).toBe(status);
    expect(headerOf(answer, 'X-Reason')).toBe(why);
  });

  test('an expiry below the minimum is answered 423 with Min-Expires', async () => {
    const phone = alice(openCore({ limits: { defaultExpires: 3600, minExpires: 60 } }));
    const answer = await phone.send({ expires: '59' });
    expect(answer).toMatchObject({ status: 423, headers: { 'Min-Expires': '60' } });
    expect((await phone.send({ expires: '60' })).status).toBe(401);
    expect((await phone.send({ expires: '0' })).status).toBe(401);
  });
});

describe('the longest that is accepted', () => {
  const uriOf = (length: number) => `sip:${'a'.repeat(length - 14)}@192.0.2.7`;
  const cases: [string, RegisterFields, number][] = [
    ['a Call-ID of 256 characters', { callId: 'x'.repeat(256) }, 200],
    ['a Call-ID of 257 characters', { callId: 'x'.repeat(257) }, 400],
    ['10 Contacts', { contact: Array.from({ length: 10 }, (_, i) => `<sip:a@192.0.2.${i}>`).join() }, 200],
    ['11 Contacts', { contact: Array.from({ length: 11 }, (_, i) => `<sip:a@192.0.2.${i}>`).join() }, 400],
    ['a Contact of 1024 characters', { contact: `<${uriOf(1020)}>;x=1` }, 200],
    ['a Contact of 1025 characters', { contact: `<${uriOf(1021)}>;x=1` }, 400],
  ];
  test.each(cases)('%s', async (_, fields, status) => {
    expect((await alice(openCore({ maxContacts: 10 })).register(fields)).status).toBe(status);
  });

  test.each([
    [128, 401],
    [129, 403],
  ])('a user of %d characters', async (length, status) => {
    const to = `<sip:${'a'.repeat(length)}@sip.example.com>`;
    expect((await alice(openCore()).send({ to })).status).toBe(status);
  });
});

describe('a Contact beyond the grammar', () => {
  const URIS = [
    ...['sip:alice@3f2a9b1c4d5e', 'sip:alice@my_host', 'sip:alice@4thfloor:5060', 'sip:alice@[fe80::1%eth0]:5060'],
    ...['sip:alice@phone.test:0', 'sip:Alice@PHONE.test;token=abc==', 'sip:alice@phone.test;pn-tok=a|b'],
    ...['sip:alice@phone.test;x=a/b', 'sip:alice@phone.test;', 'sip:#12@phone.test', 'sip:josé@phone.test'],
    ...['sip:John Doe@phone.test', 'sip:a@b@c', 'tel:+15551234', 'mailto:alice@one.test', 'urn:uuid:1', 'x-own:a'],
  ];
  test.each(URIS)('%s is stored and told as it came, refreshed and removed', async (uri) => {
    const core = openCore();
    const phone = alice(core);
    const contact = `John (Sales), #1 <${uri}>;q=0.5`;
    expect(headerOf(await phone.register({ contact }), 'Contact')).toBe(`<${uri}>;q=0.5;expires=30`);
    const aor = { user: 'alice', realm: 'sip.example.com' };
    const { bindings } = await core.rules.location.lookup(aor, { several: false });
    expect(bindings.map((b) => b.contact)).toEqual([uri]);
    expect((await phone.send({ contact })).status).toBe(200);
    const removed = await phone.register({ contact, expires: '0' });
    expect(removed.status).toBe(200);
    expect(headerOf(removed, 'Contact')).toBeUndefined();
  });

  test.each([';+sip.instance=<urn:uuid:1>', ';+sip.instance="<urn:uuid:1>"'])(
    '%s is told as it came',
    async (params) => {
      const answer = await alice(openCore()).register({ contact: `<sip:a@192.0.2.7>${params}` });
      expect(headerOf(answer, 'Contact')).toBe(`<sip:a@192.0.2.7>${params};expires=30`);
    },
  );

  test('an instance is the same quoted or not', async () => {
    const phone = alice(openCore({ maxContacts: 2 }));
    await phone.register({ contact: '<sip:a@192.0.2.7>;+sip.instance="<urn:uuid:1>"' });
    const answer = await phone.register({ contact: '<sip:a@192.0.2.8>;+sip.instance=<urn:uuid:1>' });
    expect(headerOf(answer, 'Contact')).toBe('<sip:a@192.0.2.8>;+sip.instance=<urn:uuid:1>;expires=30');
  });

  test.each([
    'José <sip:alice@sip.example.com>',
    'sip:alice@sip.example.com;x=a==',
    'A, B <sip:alice@sip.example.com;x={}>',
  ])('the To %s names the AOR', async (to) => expect((await alice(openCore()).register({ to })).status).toBe(200));

  test.each([
    '"a, *, b" <sip:a@192.0.2.7>',
    '<sip:a@192.0.2.7>;x="*"',
    '<sip:a@192.0.2.7>;x="a, *"',
    '* <sip:*@192.0.2.7>',
  ])('%s is no wildcard', async (contact) => {
    const phone = alice(openCore({ maxContacts: 2 }));
    await phone.register();
    const added = await phone.register({ contact });
    expect(headerOf(added, 'Contact')).toContain(phone.contact);
    const removed = await phone.register({ contact, expires: '0' });
    expect(headerOf(removed, 'Contact')).toBe(`<${phone.contact}>;expires=30`);
  });

  test('the wildcard may have an expiry of 0 beside the header', async () => {
    const phone = alice(openCore());
    await phone.register();
    const answer = await phone.register({ contact: '*;expires=0', expires: '0' });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('Contact');
  });

  test('brings no line break and no NUL into an answer, even past the parser of lines', () => {
    const piece = fc.constantFrom(
      ...['<sip:a@b>', '<sip:', '>', ';x=', '"', '\\', ';', ',', ' ', '\0', '\r', '\n', '\r\n ', '\x07', 'é'],
    );
    const request = sipRequest(
      'REGISTER',
      'sip:sip.example.com',
      {},
      { transport: 'udp', address: '192.0.2.7', port: 5060 },
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const headers = [{ name: 'Contact', value: pieces.join('') }];
        const parsed = parseRegister({ ...request, headers }, { defaultExpires: 3600, minExpires: 0 });
        if (parsed instanceof Refusal || parsed.operation.kind !== 'update') return;
        for (const { contact, params } of parsed.operation.add)
          expect(() => headerLine('Contact', `<${contact}>${params}`)).not.toThrow();
      }),
      { numRuns: 3000 },
    );
  });
});

describe('a malformed expiry', () => {
  const via = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';
  const MALFORMED = ['abc', '', '-1', '"600"', '1.5', '600 s', '0x10', '+600', '<600>'];

  test.each(MALFORMED)('%p in Expires counts as none', async (expires) => {
    expect(headerOf(await alice(openCore()).register({ via, expires }), 'Expires')).toBe('3600');
  });

  test.each([...MALFORMED.map((e) => `=${e}`), ''].filter((e) => !e.includes(' ')))(
    '%p on the Contact counts as none',
    async (own) => {
      const contact = `<sip:a@192.0.2.7>;expires${own}`;
      const answer = await alice(openCore()).register({ via, expires: '700', contact });
      expect(headerOf(answer, 'Contact')).toBe('<sip:a@192.0.2.7>;expires=700');
      const neither = await alice(openCore()).register({ via, expires: 'abc', contact });
      expect(headerOf(neither, 'Contact')).toBe('<sip:a@192.0.2.7>;expires=3600');
    },
  );

  test.each(['4294967296', '9'.repeat(30)])('%s is no malformed one: it counts as 2^32-1', async (expires) => {
    const contact = `<sip:a@192.0.2.7>;expires=${expires}`;
    for (const asked of [
      { via, expires },
      { via, contact },
    ])
      expect(headerOf(await alice(openCore()).register(asked), 'Expires')).toBe('4294967295');
  });
});

describe('accounts', () => {
  test('an inactive account and an unknown realm are refused without a challenge', async () => {
    const { rules } = openCore();
    const closed = await new Phone(pipeline(rules), 'alice', 'x', 'closed.example.com').send();
    expect(closed).toEqual({ status: 403, headers: { 'X-Reason': 'Account has been deactivated' } });
    const unknown = await new Phone(pipeline(rules), 'alice', 'x', 'nowhere.example.net').send();
    expect(unknown).toEqual({ status: 403, headers: { 'X-Reason': 'Unknown or invalid realm' } });
  });

  test('a hosted platform does not explain unknown realms', async () => {
    const { rules } = openCore({ hosting: true });
    expect(await new Phone(pipeline(rules), 'alice', 'x', 'nowhere.example.net').send()).toEqual({
      status: 403,
      headers: {},
    });
  });

  test('a realm of more than two labels may be a subdomain of the account’s', async () => {
    const { rules } = openCore();
    const phone = new Phone(pipeline(rules), 'alice', 'wonderland', 'sbc1.sip.example.com');
    expect((await phone.register()).status).toBe(200);
  });

  test('a binding names the realm of its account when that of its AOR is another', async () => {
    const { rules } = openCore();
    const saved: (string | undefined)[] = [];
    const location: RegisterRules['location'] = {
      lookup: (...each) => rules.location.lookup(...each),
      update(update) {
        saved.push(...update.save.map((binding) => binding.accountRealm));
        return rules.location.update(update);
      },
    };
    for (const realm of ['sip.example.com', 'sbc1.sip.example.com'])
      await new Phone(pipeline({ ...rules, location }), 'alice', 'wonderland', realm).register();
    expect(saved).toEqual([undefined, 'sip.example.com']);
  });

  test('a realm counts as in use only once a user of it has authenticated', async () => {
    const { rules } = openCore();
    const inUse: string[] = [];
    const directory: Directory = {
      accountByRealm: (realm) => rules.directory.accountByRealm(realm),
      client: (sid, username) => rules.directory.client(sid, username),
      deviceLimit: (account) => rules.directory.deviceLimit(account),
      authenticated: (realm) => inUse.push(realm),
    };
    const phone = new Phone(pipeline({ ...rules, directory }), 'alice', 'wonderland', 'd1.sip.example.com');
    const challenged = await phone.send();
    await phone.send({ authorization: phone.answer(challenged, { password: 'sandwich' }) });
    expect(inUse).toEqual([]);
    await phone.register();
    expect(inUse).toEqual(['d1.sip.example.com']);
  });

  test.each(['SIP.Example.COM', 'sip.example.com.'])('%s is the domain sip.example.com', async (domain) => {
    const { rules } = openCore();
    const phone = new Phone(pipeline(rules), 'alice', 'wonderland');
    expect((await phone.register({ to: `<sip:alice@${domain}>` })).status).toBe(200);
    const aor = { user: 'alice', realm: 'sip.example.com' };
    expect((await rules.location.lookup(aor, { several: false })).bindings).toHaveLength(1);
  });
});

describe('device limits', () => {
  function hosted(calls: number) {
    const core = openCore({ hosting: true });
    const sid = core.database
      .query<{ account_sid: string }, []>("SELECT account_sid FROM accounts WHERE sip_realm = 'sip.example.com'")
      .get();
    core.database.run("INSERT INTO products VALUES ('p', 'calls', 'voice_call_session')");
    core.database.run('INSERT INTO account_subscriptions (account_subscription_sid, account_sid) VALUES (?, ?)', [
      's',
      sid?.account_sid ?? '',
    ]);
    core.database.run("INSERT INTO account_products VALUES ('ap', 's', 'p', ?)", [calls]);
    core.database.run('UPDATE accounts SET device_to_call_ratio = 1');
    return core;
  }

  test('a new AOR over the limit is refused with an alert, a bound one may renew', async () => {
    const core = hosted(1);
    const first = alice(core);
    expect((await first.register()).status).toBe(200);
    const second = new Phone(pipeline(core.rules), 'bob', 'builder');
    expect((await second.send()).status).toBe(401);
    expect(core.alerts).toEqual([]);
    expect(await second.register()).toMatchObject({ status: 503, reason: 'Max Devices Registered' });
    expect(core.alerts).toMatchObject([
      {
        type: 'account-device-limit',
        message: 'you have exceeded your account limit of 1 registered devices; please consider upgrading your plan',
      },
    ]);
    core.clock.advance(580_000);
    expect((await first.register()).status).toBe(200);
  });

  test('an unregistration does not ask for the limit', async () => {
    const core = hosted(1);
    const { directory } = core.rules;
    const unlimited: Directory = {
      accountByRealm: (realm) => directory.accountByRealm(realm),
      client: (sid, username) => directory.client(sid, username),
      deviceLimit: () => Promise.reject(new Unavailable('MySQL', 'gone')),
    };
    const phone = new Phone(pipeline({ ...core.rules, directory: unlimited }), 'alice', 'wonderland');
    expect((await phone.register()).status).toBe(503);
    expect((await phone.register({ expires: '0' })).status).toBe(200);
  });

  test('the alert names the account and its service provider', async () => {
    const core = hosted(0);
    core.database.run("UPDATE accounts SET service_provider_sid = 'provider'");
    await alice(core).register();
    const account = await core.rules.directory.accountByRealm('sip.example.com');
    expect(core.alerts).toMatchObject([{ accountSid: account?.sid ?? '', serviceProviderSid: 'provider' }]);
  });

  test('two concurrent registrations do not exceed the limit', async () => {
    const core = hosted(1);
    const phones = [alice(core), new Phone(pipeline(core.rules), 'bob', 'builder')];
    const challenged = await Promise.all(phones.map((p) => p.send()));
    const answers = await Promise.all(
      phones.map((p, i) => p.send({ authorization: p.answer(challenged[i] ?? { status: 0 }) })),
    );
    expect(answers.map((a) => a.status).sort()).toEqual([200, 503]);
  });

  test('a limit of 0 refuses every registration, but no unregistration', async () => {
    const core = hosted(0);
    expect((await alice(core).register()).status).toBe(503);
    expect((await alice(core).register({ expires: '0' })).status).toBe(200);
    core.database.run('UPDATE account_products SET quantity = 1');
    core.clock.advance(30_000);
    expect((await alice(core).register()).status).toBe(200);
    core.database.run('UPDATE account_products SET quantity = 0');
    core.clock.advance(580_000);
    expect((await alice(core).register()).status).toBe(503);
  });

  test('the sub-domains of a realm share the limit of its account', async () => {
    const core = hosted(1);
    for (const [i, status] of [200, 503, 503].entries()) {
      const phone = new Phone(pipeline(core.rules), 'alice', 'wonderland', `d${i}.sip.example.com`);
      expect((await phone.register()).status).toBe(status);
    }
  });
});

describe('credentials', () => {
  test('a wrong password, an unknown user and an inactive user get the same response', async () => {
    const { rules } = openCore();
    const wrong = await new Phone(pipeline(rules), 'alice', 'sandwich').register();
    const unknown = await new Phone(pipeline(rules), 'nobody', 'x').register();
    const inactive = await new Phone(pipeline(rules), 'gone', 'fishing').register();
    expect(wrong).toEqual({ status: 403, headers: { 'X-Reason': 'Invalid credentials' } });
    expect(unknown).toEqual(wrong);
    expect(inactive).toEqual(wrong);
  });

  test('a user cannot register another’s AOR unless that is allowed', async () => {
    const asked = { to: '<sip:bob@sip.example.com>' };
    expect((await alice(openCore()).register(asked)).status).toBe(403);
    expect((await alice(openCore({ allowAuthUser: 'webhook' })).register(asked)).status).toBe(403);
    expect((await alice(openCore({ allowAuthUser: true })).register(asked)).status).toBe(200);
  });

  test.each(['ALICE', 'Alice', 'alicé', 'alice ', 'ａlice'])('of %p are not alice’s, in whatever AOR', async (name) => {
    for (const user of ['alice', name]) {
      const phone = alice(openCore());
      const to = `<sip:${encodeURIComponent(user)}@sip.example.com>`;
      const challenged = await phone.send();
      const answer = await phone.send({ to, authorization: phone.answer(challenged, { username: name }) });
      expect(answer.status).toBe(403);
    }
  });

  test('of a row that the database finds by another spelling are refused unless that is allowed', async () => {
    for (const [allowAuthUser, status] of [
      [false, 403],
      ['webhook', 403],
      [true, 200],
    ] as const)
      expect(
        (await new Phone(pipeline(openCore({ allowAuthUser }).rules), 'ALICE', 'wonderland').register()).status,
      ).toBe(status);
  });

  test('of another user are refused before a client is looked up', async () => {
    const core = openCore();
    const asked: string[] = [];
    const { directory } = core.rules;
    const rules = {
      ...core.rules,
      directory: {
        accountByRealm: (realm: string) => directory.accountByRealm(realm),
        deviceLimit: () => Promise.resolve(0),
        client: (sid: string, name: string) => {
          asked.push(name);
          return directory.client(sid, name);
        },
      },
    };
    await new Phone(pipeline(rules), 'alice', 'wonderland').register({ to: '<sip:bob@sip.example.com>' });
    expect(asked).toEqual([]);
    // An unknown user costs what a known one does.
    for (const name of ['alice', 'nobody']) await new Phone(pipeline(rules), name, 'x').register();
    expect(asked).toEqual(['alice', 'nobody']);
  });

  test('that answer no challenge of ours yet are challenged', async () => {
    const ims = 'username="alice", realm="sip.example.com", nonce="", uri="sip:sip.example.com", response=""';
    const headers = [
      `Digest ${ims}`,
      `Digest ${ims}, algorithm=AKAv1-MD5, qop=auth, nc=1`,
      `DIGEST ${ims.toUpperCase()}`,
      'Digest username="alice", realm="sip.example.com"',
      'Bearer abc.def',
      '',
      'Digest realm="sip.example.com", nonce="x',
      `Digest ${ims}, nonce="again"`,
    ];
    for (const authorization of headers) {
      const phone = alice(openCore());
      const first = await phone.send({ authorization });
      expect([authorization, first.status]).toEqual([authorization, 401]);
      const both = `${authorization}, ${phone.answer(first)}`;
      if (authorization.split('"').length % 2 === 1)
        expect([both, (await phone.send({ authorization: both })).status]).toEqual([both, 200]);
    }
  });

  test('that answer a nonce of ours and contradict themselves are refused', async () => {
    const phone = alice(openCore());
    const good = phone.answer(await phone.send());
    for (const authorization of [
      good.replace(', cnonce="c"', ''),
      good.replace(/, nc=\w+/, ''),
      `${good}, username="bob"`,
      `${good}, opaque="`,
    ]) {
      const answer = await phone.send({ authorization });
      expect(answer).toEqual({ status: 400, headers: { 'X-Reason': 'Malformed Authorization' } });
    }
    expect((await phone.send({ authorization: good })).status).toBe(200);
  });

  test('that repeat a nonce-count are challenged as stale', async () => {
    const phone = alice(openCore());
    const authorization = phone.answer(await phone.send());
    await phone.send({ authorization });
    const replayed = await phone.send({ authorization, expires: '0' });
    expect(replayed.status).toBe(401);
    expect(headerOf(replayed, 'WWW-Authenticate')).toEndWith(', stale=true');
  });

  test('for another realm are ignored', async () => {
    const { rules } = openCore();
    const authorization = new Phone(pipeline(rules), 'alice', 'wonderland', 'other.example.com').credentials('abc');
    expect((await alice(openCore()).send({ authorization })).status).toBe(401);
  });

  test('for our realm are found among several', async () => {
    const core = openCore();
    const phone = alice(core);
    const other = new Phone(pipeline(core.rules), 'x', 'y', 'other.example.com').credentials('abc');
    const authorization = `${other}, ${phone.answer(await phone.send())}`;
    expect((await phone.send({ authorization })).status).toBe(200);
  });

  test('a captured Authorization header cannot be replayed', async () => {
    const core = openCore();
    const phone = alice(core);
    const authorization = phone.answer(await phone.send());
    expect((await phone.send({ authorization })).status).toBe(200);
    const thief = {
      contact: '<sip:thief@198.51.100.1>',
      source: { address: '198.51.100.1', port: 5060 },
      callId: 'thief',
    };
    expect((await phone.send({ authorization, ...thief })).status).toBe(401);
  });

  test('a higher nonce-count is accepted, a lower one is challenged', async () => {
    const phone = alice(openCore());
    const challenged = await phone.send();
    const again = { expires: '0' };
    expect((await phone.send({ ...again, authorization: phone.answer(challenged, { nc: '00000005' }) })).status).toBe(
      200,
    );
    expect((await phone.send({ ...again, authorization: phone.answer(challenged, { nc: '00000006' }) })).status).toBe(
      200,
    );
    expect((await phone.send({ ...again, authorization: phone.answer(challenged, { nc: '00000004' }) })).status).toBe(
      401,
    );
  });

  test('without qop (RFC 2069) a nonce is valid once', async () => {
    const phone = alice(openCore());
    const authorization = phone.answer(await phone.send(), { qop: false });
    expect((await phone.send({ authorization, expires: '0' })).status).toBe(200);
    expect((await phone.send({ authorization, expires: '0' })).status).toBe(401);
  });

  test('with qop are challenged when the nonce was used without', async () => {
    const phone = alice(openCore());
    const challenged = await phone.send();
    await phone.send({ authorization: phone.answer(challenged, { qop: false }), expires: '0' });
    const authorization = phone.answer(challenged, { nc: '00000002' });
    expect((await phone.send({ authorization, expires: '0' })).status).toBe(401);
  });

  test('that contradict themselves are challenged when their nonce is not ours', async () => {
    const phone = alice(openCore());
    const authorization = phone.credentials('abc').replace(', cnonce="c"', '');
    expect((await phone.send({ authorization })).status).toBe(401);
  });

  test('with an expired nonce are challenged again, as stale only if the password is right', async () => {
    const core = openCore();
    const phone = alice(core);
    const challenged = await phone.send();
    core.clock.advance(300_001);
    const right = await phone.send({ authorization: phone.answer(challenged) });
    expect(right.status).toBe(401);
    expect(headerOf(right, 'WWW-Authenticate')).toEndWith(', stale=true');
    const wrong = await phone.send({ authorization: phone.answer(challenged, { password: 'sandwich' }) });
    expect(wrong.status).toBe(401);
    expect(headerOf(wrong, 'WWW-Authenticate')).not.toContain('stale');
  });

  test('with a nonce that we did not issue are challenged', async () => {
    const phone = alice(openCore());
    const answer = await phone.send({
      authorization: phone.credentials('MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI'),
    });
    expect(answer.status).toBe(401);
  });

  test('algorithms are offered in order of preference, and one that was not offered is challenged', async () => {
    const core = openCore({ algorithms: ['SHA-256', 'SHA-512-256'] });
    const phone = alice(core);
    const challenged = await phone.send();
    expect(challenged.headers?.['WWW-Authenticate']).toHaveLength(2);
    const nonce = /nonce="([^"]+)"/.exec(headerOf(challenged, 'WWW-Authenticate') ?? '')?.[1] ?? '';
    expect((await phone.send({ authorization: phone.credentials(nonce, { algorithm: 'MD5' }) })).status).toBe(401);
    expect((await phone.send({ authorization: phone.credentials(nonce, { algorithm: 'SHA-512-256' }) })).status).toBe(
      200,
    );
    const next = await phone.send({ expires: '0' });
    expect((await phone.send({ expires: '0', authorization: phone.answer(next) })).status).toBe(200);
  });
});

describe('several contacts', () => {
  const home = '<sip:alice@192.0.2.7:5060>';
  const mobile = '<sip:alice@198.51.100.9:5060>';

  test('by default the newest replaces the previous one', async () => {
    const phone = alice(openCore());
    await phone.register({ contact: home });
    const answer = await phone.register({ contact: mobile, callId: 'mobile' });
    expect(headerOf(answer, 'Contact')).toBe(`${mobile};expires=30`);
  });

  test('in one REGISTER: the first is kept when only one may be', async () => {
    const answer = await alice(openCore()).register({ contact: `${home}, ${mobile}` });
    expect(headerOf(answer, 'Contact')).toBe(`${home};expires=30`);
  });

  test('are kept side by side up to the maximum', async () => {
    const core = openCore({ maxContacts: 2 });
    const phone = alice(core);
    await phone.register({ contact: home });
    core.clock.advance(1000);
    const both = await phone.register({ contact: mobile, callId: 'mobile' });
    expect(headerOf(both, 'Contact')).toBe(`${mobile};expires=30, ${home};expires=30`);
    const third = await phone.register({ contact: '<sip:alice@203.0.113.3>', callId: 'third' });
    expect(third).toMatchObject({ status: 403, headers: { 'X-Reason': 'Too many contacts' } });
  });

  test('one REGISTER may remove one and add another', async () => {
    const phone = alice(openCore({ maxContacts: 2 }));
    await phone.register({ contact: home });
    const answer = await phone.register({ contact: `${home};expires=0, ${mobile}` });
    expect(headerOf(answer, 'Contact')).toBe(`${mobile};expires=30`);
  });

  test('a phone that moved is recognized by its instance', async () => {
    const phone = alice(openCore({ maxContacts: 2 }));
    await phone.register({ contact: `${home};+sip.instance="<urn:uuid:1>";reg-id=1` });
    const answer = await phone.register({ contact: `${mobile};+sip.instance="<urn:uuid:1>";reg-id=1` });
    expect(headerOf(answer, 'Contact')).toBe(`${mobile};+sip.instance="<urn:uuid:1>";reg-id=1;expires=30`);
  });
});

describe('Contacts that are one binding', () => {
  const inst = '+sip.instance="<urn:uuid:1>"';
  const NEW = 'sip:alice@198.51.100.2:5060';
  const OLD = 'sip:alice@192.0.2.7:5060';
  const via = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';

  /** Contacts of one REGISTER with Expires 600, the limit, and the Contacts of its 200. */
  const cases: [string, number, string[], string[]][] = [
    [
      'pjsip after a change of address',
      1,
      [`<${NEW}>;${inst}`, `<${OLD}>;${inst};expires=0`],
      [`<${NEW}>;${inst};expires=600`],
    ],
    [
      'the same, the removal first',
      1,
      [`<${OLD}>;${inst};expires=0`, `<${NEW}>;${inst}`],
      [`<${NEW}>;${inst};expires=600`],
    ],
    ['one URI added and removed', 1, [`<${NEW}>`, `<${NEW}>;expires=0`], [`<${NEW}>;expires=600`]],
    ['one URI twice with another q', 5, [`<${NEW}>;q=0.9`, `<${NEW}>;q=0.1`], [`<${NEW}>;q=0.1;expires=600`]],
    [
      'one URI in two spellings',
      5,
      ['<sip:%61lice@EXAMPLE.com;b=1;a=2>', '<sip:alice@example.com;a=2;B=1>'],
      ['<sip:alice@example.com;a=2;B=1>;expires=600'],
    ],
    [
      'two URIs of one instance',
      5,
      [`<${OLD}>;${inst};expires=600`, `<${NEW}>;${inst};expires=20`],
      [`<${NEW}>;${inst};expires=20`],
    ],
    [
      'three of one instance with a limit of three',
      3,
      ['a', 'b', 'c'].map((u) => `<sip:${u}@192.0.2.1>;${inst}`),
      [`<sip:c@192.0.2.1>;${inst};expires=600`],
    ],
    ['one URI without and with an instance', 5, [`<${NEW}>`, `<${NEW}>;${inst}`], [`<${NEW}>;${inst};expires=600`]],
    [
      'two instances behind one URI are two',
      5,
      [`<${NEW}>;${inst}`, `<${NEW}>;+sip.instance="<urn:uuid:2>"`],
      [`<${NEW}>;${inst};expires=600`, `<${NEW}>;+sip.instance="<urn:uuid:2>";expires=600`],
    ],
    [
      'two reg-ids of one instance are two',
      5,
      [`<${OLD}>;${inst};reg-id=1`, `<${NEW}>;${inst};reg-id=2`],
      [`<${OLD}>;${inst};reg-id=1;expires=600`, `<${NEW}>;${inst};reg-id=2;expires=600`],
    ],
  ];
  test.each(cases)('%s, limit %d', async (_, maxContacts, asked, listed) => {
    const phone = alice(openCore({ maxContacts }));
    const answer = await phone.register({ via, contact: asked.join(', ') });
    expect(answer.status).toBe(200);
    expect(headerOf(answer, 'Contact')).toBe(listed.join(', '));
    expect(headerOf(await phone.register({ via, contact: null }), 'Contact')).toBe(listed.join(', '));
  });

  test.each([1, 5])('pjsip keeps its registration after a change of address, limit %d', async (maxContacts) => {
    const phone = alice(openCore({ maxContacts }));
    await phone.register({ via, contact: `<${OLD}>;${inst}` });
    const moved = await phone.register({ via, contact: `<${NEW}>;${inst}, <${OLD}>;${inst};expires=0` });
    expect(headerOf(moved, 'Contact')).toBe(`<${NEW}>;${inst};expires=600`);
  });

  const pairs: [string, string, string][] = [
    ['a binding with an instance by its URI', `<${NEW}>;${inst}`, `<${NEW}>`],
    [
      'a binding with an instance by another spelling of its URI',
      `<${NEW}>;${inst}`,
      `<sip:%61lice@198.51.100.2:5060>`,
    ],
    ['a binding without an instance by URI and instance', `<${NEW}>`, `<${NEW}>;${inst}`],
    ['a binding with an instance by the instance', `<${NEW}>;${inst}`, `<${OLD}>;${inst}`],
  ];
  test.each(pairs)('a REGISTER removes and renews %s', async (_, first, second) => {
    const phone = alice(openCore({ maxContacts: 5 }));
    await phone.register({ via, contact: first });
    expect(headerOf(await phone.register({ via, contact: second, expires: '300' }), 'Contact')).toBe(
      `${second};expires=300`,
    );
    expect(headerOf(await phone.register({ via, contact: `${first};expires=0` }), 'Contact')).toBeUndefined();
  });
});

describe('the most preferred Contact', () => {
  const [a, b, c] = ['<sip:a@192.0.2.1>', '<sip:b@192.0.2.2>', '<sip:c@192.0.2.3>'];
  const cases: [string[], string[]][] = [
    [
      [`${a}`, `${b}`],
      [a, b],
    ],
    [
      [`${a};q=0.1`, `${b};q=0.9`],
      [b, a],
    ],
    [
      [`${a};q=0.5`, `${b}`, `${c};q=1.000`],
      [b, c, a],
    ],
    [
      [`${a};q=0`, `${b};q=.3`, `${c};q=0.25`],
      [b, c, a],
    ],
    [
      [`${a};q=0.9`, `${b};q=nonsense`],
      [b, a],
    ],
    [
      [`${a}`, `${b};q=1.5`],
      [a, b],
    ],
    [
      ['<tel:+15551234>', `${a};q=0.1`],
      [a, '<tel:+15551234>'],
    ],
  ];
  for (const maxContacts of [1, 3])
    test.each(cases)(`is first, by q and then as given, limit ${maxContacts}: %j`, async (asked, order) => {
      const core = openCore({ maxContacts });
      const answer = await alice(core).register({ contact: asked.join(', ') });
      expect([...(headerOf(answer, 'Contact') ?? '').matchAll(/<[^>]+>/g)].map(([each]) => each)).toEqual(
        order.slice(0, maxContacts),
      );
      const aor = { user: 'alice', realm: 'sip.example.com' };
      const { bindings } = await core.rules.location.lookup(aor, { several: false });
      expect(bindings.map((each) => `<${each.contact}>`)).toEqual(order.slice(0, 1));
    });
});

describe('text from phones', () => {
  test.each([127, 128, 126])('a User-Agent of %d letters and an emoji is cut between characters', async (letters) => {
    const core = openCore();
    const phone = alice(core);
    const userAgent = `${'x'.repeat(letters)}🙂 phone`;
    await phone.register({ headers: { 'User-Agent': userAgent } });
    const aor = { user: 'alice', realm: 'sip.example.com' };
    const [binding] = (await core.rules.location.lookup(aor, { several: false })).bindings;
    expect(binding?.userAgent).toBe(letters === 126 ? `${'x'.repeat(126)}🙂` : 'x'.repeat(letters));
  });
});

describe('queries and removals', () => {
  test('a query is authenticated and lists the bindings', async () => {
    const phone = alice(openCore());
    await phone.register();
    expect((await phone.send({ contact: null, expires: null })).status).toBe(401);
    const answer = await phone.register({ contact: null, expires: null });
    expect(headerOf(answer, 'Contact')).toBe(`<${phone.contact}>;expires=30`);
  });

  test('a removal is authenticated, and succeeds even when there is no binding', async () => {
    const phone = alice(openCore());
    await phone.register();
    expect((await phone.send({ expires: '0' })).status).toBe(401);
    const gone = await phone.register({ expires: '0' });
    expect(gone.status).toBe(200);
    expect(gone.headers).not.toHaveProperty('Contact');
    expect((await phone.register({ expires: '0' })).status).toBe(200);
    expect(headerOf(await phone.register({ contact: null }), 'Contact')).toBeUndefined();
  });

  test('Contact: * removes all bindings', async () => {
    const phone = alice(openCore({ maxContacts: 3 }));
    await phone.register({ contact: '<sip:alice@192.0.2.1>, <sip:alice@192.0.2.2>' });
    const answer = await phone.register({ contact: '*', expires: '0' });
    expect(answer.status).toBe(200);
    expect(answer.headers).not.toHaveProperty('Contact');
  });
});

describe('the 200', () => {
  const [a, b] = ['<sip:alice@192.0.2.1>', '<sip:alice@192.0.2.2>'];

  test('has Expires 0 when the REGISTER adds nothing, none for a query', async () => {
    const phone = alice(openCore({ maxContacts: 2 }));
    await phone.register({ contact: `${a}, ${b}` });
    expect(headerOf(await phone.register({ contact: null }), 'Expires')).toBeUndefined();
    const removed = await phone.register({ contact: a, expires: '0' });
    expect(removed.headers).toMatchObject({ Contact: `${b};expires=30`, Expires: '0' });
    expect((await phone.register({ contact: '*', expires: '0' })).headers).toMatchObject({ Expires: '0' });
  });

  test('lists a binding that has just expired with 0 s, not fewer', async () => {
    const core = openCore();
    await alice(core).register();
    const aor = { user: 'alice', realm: 'sip.example.com' };
    const { bindings } = await core.rules.location.lookup(aor, { several: false });
    const source = { transport: 'udp', address: '192.0.2.7', port: 5060 } as const;
    const to = '<sip:alice@sip.example.com>';
    const query = sipRequest('REGISTER', 'sip:sip.example.com', { To: to }, source);
    const parsed = parseRegister(query, core.rules.limits);
    if (parsed instanceof Refusal) throw new Error(parsed.reason);
    const answer = accept(parsed, bindings, (bindings[0]?.expiryTime ?? 0) + 1);
    expect(headerOf(answer, 'Contact')).toEndWith(';expires=0');
  });
});

describe('ordering and failures', () => {
  test('a REGISTER with the same Call-ID and an older CSeq changes nothing', async () => {
    const phone = alice(openCore());
    await phone.register({ cseq: '20 REGISTER' });
    const late = await phone.register({ cseq: '19 REGISTER', expires: '0' });
    expect(late.status).toBe(500);
    expect(headerOf(await phone.register({ contact: null }), 'Contact')).toBe(`<${phone.contact}>;expires=30`);
    expect((await phone.register({ cseq: '1 REGISTER', callId: 'rebooted', expires: '0' })).status).toBe(200);
  });

  test('a rebooted phone that counts from 1 again is let in with a nonce issued since', async () => {
    const core = openCore();
    const phone = alice(core);
    const early = await phone.send();
    await phone.register({ cseq: '20 REGISTER' });
    core.clock.advance(5000);
    const moved = { contact: '<sip:alice@192.0.2.7:6000;ob>;+sip.instance="<urn:uuid:1>"' };
    expect((await phone.register({ cseq: '30 REGISTER', ...moved })).status).toBe(200);
    core.clock.advance(5000);
    const late = { ...moved, cseq: '2 REGISTER', expires: '0' };
    expect((await phone.send({ ...late, authorization: phone.answer(early) })).status).toBe(500);
    expect((await phone.register(late)).status).toBe(200);
  });

  test('another Contact with the same Call-ID is not out of order', async () => {
    const phone = alice(openCore());
    const challenges = [await phone.send(), await phone.send()];
    const send = (contact: string, cseq: number) => {
      const authorization = phone.answer(challenges.pop() ?? { status: 0 });
      return phone.send({ contact, cseq: `${cseq} REGISTER`, authorization });
    };
    expect((await send('<sip:alice@192.0.2.1>', 9)).status).toBe(200);
    expect((await send('<sip:alice@192.0.2.2>', 9)).status).toBe(200);
  });

  test('a REGISTER that cannot be stored is answered 503, never 200', async () => {
    const core = openCore();
    const phone = alice(core);
    const challenged = await phone.send();
    core.database.run('PRAGMA query_only = ON');
    const unavailable = { status: 503, headers: { 'Retry-After': '5' } };
    expect(await phone.send({ authorization: phone.answer(challenged) })).toEqual(unavailable);
    core.database.run('PRAGMA query_only = OFF');
    expect((await phone.send({ authorization: phone.answer(challenged) })).status).toBe(200);
  });

  test('a REGISTER whose account cannot be looked up is answered 503', async () => {
    const core = openCore();
    const directory = {
      ...core.rules.directory,
      accountByRealm: () => Promise.reject(new Unavailable('MySQL', 'gone')),
    };
    const answer = await new Phone(pipeline({ ...core.rules, directory }), 'alice', 'x').send();
    expect(answer).toEqual({ status: 503, headers: { 'Retry-After': '5' } });
  });

  test('a refresh is granted while the account cannot be looked up, with credentials too', async () => {
    const core = openCore();
    let away = false;
    const directory: Directory = {
      accountByRealm: (realm) =>
        away ? Promise.reject(new Unavailable('MySQL', 'gone')) : core.rules.directory.accountByRealm(realm),
      client: (sid, username) => core.rules.directory.client(sid, username),
      deviceLimit: (account) => core.rules.directory.deviceLimit(account),
    };
    const phone = new Phone(pipeline({ ...core.rules, directory }), 'alice', 'wonderland');
    const challenged = await phone.send();
    await phone.send({ authorization: phone.answer(challenged) });
    away = true;
    const authorization = phone.answer(challenged);
    expect((await phone.send({ authorization })).status).toBe(200);
    expect((await phone.send({ authorization, contact: '<sip:alice@192.0.2.9>' })).status).toBe(503);
  });

  test('a REGISTER whose query the database refuses is answered 503, with a reason of its own; the fault is logged once', async () => {
    const core = openCore();
    const directory = {
      ...core.rules.directory,
      accountByRealm: () => Promise.reject(new QueryFault('MySQL', 'no such column', 'ER_BAD_FIELD_ERROR')),
    };
    const phone = new Phone(pipeline({ ...core.rules, directory }), 'alice', 'x');
    for (let i = 0; i < 2; i++) expect(await phone.send()).toEqual({ status: 503, headers: { 'Retry-After': '5' } });
    expect(core.logger.lines.filter((l) => l.level !== 'debug')).toMatchObject([
      { level: 'error', fields: { why: 'MySQL: no such column' }, message: 'REGISTER failed' },
      { level: 'info', fields: { reason: 'QueryRefused' } },
      { level: 'info', fields: { reason: 'QueryRefused' } },
    ]);
  });

  test('an unexpected error is answered 500 and logged with the Call-ID', async () => {
    const core = openCore();
    const rules = {
      ...core.rules,
      directory: { ...core.rules.directory, accountByRealm: () => Promise.reject(new TypeError('oops')) },
    };
    expect((await new Phone(pipeline(rules), 'alice', 'x').send({ callId: 'call-alice' })).status).toBe(500);
    expect(core.logger.lines.filter((l) => l.level === 'error')).toMatchObject([{ fields: { callId: 'call-alice' } }]);
  });
});
