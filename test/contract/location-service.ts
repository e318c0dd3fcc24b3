import { describe, expect, test } from 'bun:test';
import type { Aor, Binding, LocationService, Update } from '../../src/ports/location.ts';
import { ManualTimers } from '../support/timers.ts';

export interface LocationServiceBench {
  readonly location: LocationService;
  /** The contact that calls to the AOR go to. */
  callTarget(aor: Aor): Promise<string | undefined>;
  /** The number of live AORs that are counted for an account. */
  countAors(accountRealm: string, now: number): Promise<number>;
  /** What the service does each second. */
  removeExpired(): Promise<void>;
}

/** A binding to remove by its URI. */
function named(contact: string) {
  return { key: contact, uri: contact, contact };
}

export function locationServiceContract(name: string, open: (timers: ManualTimers) => LocationServiceBench): void {
  describe(`location service on ${name}`, () => {
    async function start() {
      const clock = new ManualTimers(Date.now());
      const { location, callTarget, countAors, removeExpired } = open(clock);
      const realm = `r${crypto.randomUUID()}.example.com`;
      const alice: Aor = { user: 'alice', realm };
      let calls = 0;
      const binding = (contact: string, changes: Partial<Binding> = {}): Binding => ({
        key: contact,
        uri: contact,
        contact,
        contactParams: '',
        callId: 'call',
        cseq: 1,
        protocol: 'udp',
        proxy: 'sip:192.0.2.1:5060',
        sbcAddress: 'udp/10.0.0.1:5060',
        privateSbcAddress: '10.0.0.1:5060',
        grant: { allowDirectAppCalling: true, allowDirectQueueCalling: false, allowDirectUserCalling: true },
        expiryTime: clock.now() + 600_000,
        savedAt: clock.now(),
        ...changes,
      });
      /** An update with a new Call-ID, so that its CSeq is never too low. */
      const update = (changes: Partial<Update> = {}): Update => ({
        aor: alice,
        accountRealm: realm,
        callId: `call${++calls}`,
        cseq: 1,
        save: [],
        remove: [],
        maxContacts: 1,
        ...changes,
      });
      const contacts = async (aor = alice) =>
        (await location.lookup(aor, { several: true })).bindings.map((b) => b.contact);
      const count = () => countAors(realm, clock.now());
      const expectOrder = async (order: string[]) => {
        expect(await contacts()).toEqual(order);
        expect(await callTarget(alice)).toBe(order[0]);
        const listed = await location.update(update());
        expect(listed.ok && listed.bindings.map((b) => b.contact)).toEqual(order);
      };
      return {
        clock,
        location,
        callTarget,
        removeExpired,
        realm,
        alice,
        binding,
        update,
        contacts,
        count,
        expectOrder,
      };
    }

    test('removes only the bindings from one source', async () => {
      const { location, alice, binding, update, contacts, clock, count } = await start();
      const lost = { proxy: 'sip:192.0.2.1:40000', protocol: 'tcp' };
      const from = (contact: string, changes: Partial<Binding>) => binding(contact, { ...lost, ...changes });
      await location.update(
        update({
          maxContacts: 5,
          save: [
            from('sip:alice@gone', {}),
            from('sip:alice@elsewhere', { proxy: 'sip:192.0.2.1:40001' }),
            from('sip:alice@datagrams', { protocol: 'udp' }),
            from('sip:alice@back', { savedAt: clock.now() + 1 }),
          ],
        }),
      );
      expect(await location.removeFrom(alice, { ...lost, savedUntil: clock.now() })).toMatchObject({
        removed: [{ contact: 'sip:alice@gone' }],
        remaining: 3,
      });
      expect((await contacts()).sort()).toEqual(['sip:alice@back', 'sip:alice@datagrams', 'sip:alice@elsewhere']);
      expect(await location.removeFrom(alice, { ...lost, savedUntil: clock.now() })).toEqual({
        removed: [],
        remaining: 3,
      });
      expect(await count()).toBe(1);
      const unknown = { ...alice, user: 'unknown' };
      expect(await location.removeFrom(unknown, { ...lost, savedUntil: 0 })).toEqual({ removed: [], remaining: 0 });
    });

    test('does not count an AOR whose last binding was removed with its connection', async () => {
      const { location, alice, binding, update, contacts, clock, count } = await start();
      await location.update(update({ save: [binding('sip:alice@gone', { protocol: 'ws' })] }));
      const source = { proxy: 'sip:192.0.2.1:5060', protocol: 'ws', savedUntil: clock.now() };
      expect(await location.removeFrom(alice, source)).toMatchObject({
        removed: [{ contact: 'sip:alice@gone' }],
        remaining: 0,
      });
      expect(await contacts()).toEqual([]);
      expect(await count()).toBe(0);
    });

    test('returns every field of a saved binding', async () => {
      const { location, alice, binding, update } = await start();
      const saved = binding('sip:alice@192.0.2.1', {
        contactParams: ';+sip.instance="<urn:uuid:1>"',
        userAgent: 'phone "2" ü',
        grant: {
          callHook: { url: 'https://example.com/' },
          callStatusHook: 'https://example.com/status',
          allowDirectAppCalling: false,
          allowDirectQueueCalling: true,
          allowDirectUserCalling: false,
        },
      });
      expect(await location.update(update({ save: [saved] }))).toEqual({
        ok: true,
        bindings: [saved],
        renewed: [undefined],
        ended: [],
      });
      expect(await location.lookup(alice, { several: true })).toEqual({
        bindings: [saved],
        lastNonceCount: 0,
      });
    });

    test('has no bindings for an unknown AOR', async () => {
      const { location, alice } = await start();
      expect(await location.lookup(alice, { several: true, nonceId: 'never-used' })).toEqual({
        bindings: [],
        lastNonceCount: 0,
      });
    });

    test('a binding is live until it expires', async () => {
      const { clock, location, binding, update, contacts, count } = await start();
      await location.update(update({ save: [binding('sip:a@192.0.2.1')] }));
      clock.advance(599_999);
      expect(await contacts()).toEqual(['sip:a@192.0.2.1']);
      expect(await count()).toBe(1);
      clock.advance(1);
      expect(await contacts()).toEqual([]);
      expect(await count()).toBe(0);
    });

    test('accepts the longest expiry, 2^32-1 seconds', async () => {
      const { clock, location, binding, update, contacts } = await start();
      const expiryTime = clock.now() + (2 ** 32 - 1) * 1000;
      const outcome = await location.update(update({ save: [binding('sip:a@192.0.2.1', { expiryTime })] }));
      expect(outcome).toMatchObject({ ok: true, bindings: [{ expiryTime }] });
      expect(await contacts()).toEqual(['sip:a@192.0.2.1']);
    });

    test('a new binding replaces all others if one contact is allowed', async () => {
      const { clock, location, binding, update, contacts } = await start();
      await location.update(update({ save: [binding('sip:a@192.0.2.1')] }));
      clock.advance(10);
      await location.update(update({ save: [binding('sip:a@192.0.2.2')] }));
      expect(await contacts()).toEqual(['sip:a@192.0.2.2']);
    });

    test('keeps several bindings, newest first, and renews one in place', async () => {
      const { clock, location, binding, update, contacts } = await start();
      for (const contact of ['sip:a@192.0.2.1', 'sip:a@192.0.2.2', 'sip:a@192.0.2.1']) {
        await location.update(update({ save: [binding(contact)], maxContacts: 3 }));
        clock.advance(10);
      }
      expect(await contacts()).toEqual(['sip:a@192.0.2.1', 'sip:a@192.0.2.2']);
    });

    test('refuses a contact above the maximum and changes nothing', async () => {
      const { location, binding, update, contacts } = await start();
      const both = [binding('sip:a@192.0.2.1'), binding('sip:a@192.0.2.2')];
      await location.update(update({ save: both, maxContacts: 2 }));
      const third = update({ save: [binding('sip:a@192.0.2.3')], maxContacts: 2 });
      expect(await location.update(third)).toEqual({ ok: false, refusal: 'too-many-contacts' });
      expect(await contacts()).toEqual(['sip:a@192.0.2.1', 'sip:a@192.0.2.2']);
    });

    test('removes bindings by key, or all', async () => {
      const { location, binding, update, contacts, count } = await start();
      const three = [1, 2, 3].map((n) => binding(`sip:a@192.0.2.${n}`));
      await location.update(update({ save: three, maxContacts: 3 }));
      const outcome = await location.update(update({ remove: ['sip:a@192.0.2.1', 'sip:a@192.0.2.9'].map(named) }));
      expect(outcome).toMatchObject({ ok: true, bindings: [{ key: 'sip:a@192.0.2.2' }, { key: 'sip:a@192.0.2.3' }] });
      expect(await contacts()).toEqual(['sip:a@192.0.2.2', 'sip:a@192.0.2.3']);
      expect(await location.update(update({ remove: 'all' }))).toMatchObject({ ok: true, bindings: [] });
      expect(await contacts()).toEqual([]);
      expect(await count()).toBe(0);
    });

    const [a, b, c, d] = ['sip:a@192.0.2.1', 'sip:b@192.0.2.2', 'sip:c@192.0.2.3', 'sip:d@192.0.2.4'];
    const orders = [
      [a, b],
      [b, a],
      [a, b, c],
      [a, c, b],
      [b, a, c],
      [b, c, a],
      [c, a, b],
      [c, b, a],
    ];

    test.each(orders.map((order) => [order]))('contacts of one REGISTER keep their order: %j', async (order) => {
      const { location, update, binding, expectOrder } = await start();
      const outcome = await location.update(update({ save: order.map((each) => binding(each)), maxContacts: 5 }));
      expect(outcome.ok && outcome.bindings.map((each) => each.contact)).toEqual(order);
      await expectOrder(order);
    });

    test.each(orders.map((order) => [order]))(
      'the next contact becomes the first when the first is removed: %j',
      async (order) => {
        const { clock, location, update, binding, expectOrder } = await start();
        await location.update(update({ save: order.map((each) => binding(each)), maxContacts: 5 }));
        clock.advance(10);
        await location.update(update({ save: [binding(d)], maxContacts: 5 }));
        const left = [d, ...order];
        while (left.length > 0) {
          await expectOrder(left);
          await location.update(update({ remove: left.splice(0, 1).map(named) }));
        }
        await expectOrder([]);
      },
    );

    test.each(orders.map((order) => [order]))(
      'the next contact becomes the first when the first expires: %j',
      async (order) => {
        const { clock, location, update, binding, expectOrder } = await start();
        const expiring = (contact: string, seconds: number) =>
          binding(contact, { expiryTime: clock.now() + seconds * 1000 });
        const save = order.map((contact, i) => expiring(contact, 120 + 60 * i));
        await location.update(update({ save, maxContacts: 5 }));
        await location.update(update({ save: [{ ...expiring(d, 60), savedAt: clock.now() + 1 }], maxContacts: 5 }));
        for (const left = [d, ...order]; left.length > 0; left.shift()) {
          await expectOrder(left);
          clock.advance(60_000);
        }
      },
    );

    test('a contact that is renewed alone becomes the first', async () => {
      const { clock, location, update, binding, expectOrder } = await start();
      await location.update(update({ save: [a, b, c].map((each) => binding(each)), maxContacts: 3 }));
      clock.advance(10);
      await location.update(update({ save: [binding(c)], maxContacts: 3 }));
      await expectOrder([c, a, b]);
    });

    test('a binding with an earlier savedAt, from a clock that is behind, does not become the first', async () => {
      const { clock, location, update, binding, expectOrder } = await start();
      await location.update(update({ save: [binding(a, { savedAt: clock.now() + 100 })], maxContacts: 2 }));
      await location.update(update({ save: [binding(b)], maxContacts: 2 }));
      await expectOrder([a, b]);
    });

    test('an update without changes lists the bindings', async () => {
      const { location, binding, update } = await start();
      const saved = binding('sip:a@192.0.2.1');
      await location.update(update({ save: [saved] }));
      expect(await location.update(update())).toEqual({ ok: true, bindings: [saved], renewed: [], ended: [] });
    });

    test('an update says which bindings it renews, from where, and which end', async () => {
      const { location, binding, update } = await start();
      const [a, b, c] = ['a', 'b', 'c'].map((user) => `sip:${user}@192.0.2.1`);
      if (!a || !b || !c) throw new Error('three Contacts expected');
      const moved = { proxy: 'sip:192.0.2.99:5060' };
      await location.update(update({ save: [binding(a), binding(b)], maxContacts: 3 }));
      expect(
        await location.update(update({ save: [binding(c), binding(a, moved)], remove: [named(b)], maxContacts: 3 })),
      ).toMatchObject({ ok: true, renewed: [undefined, 'sip:192.0.2.1:5060'], ended: [{ contact: b }] });
      expect(await location.update(update({ save: [binding(b)] }))).toMatchObject({
        renewed: [undefined],
        ended: [{ contact: c }, { contact: a, proxy: moved.proxy }],
      });
      expect(await location.update(update({ remove: 'all' }))).toMatchObject({ renewed: [], ended: [{ contact: b }] });
    });

    test('an AOR is reported once, when its last binding has expired', async () => {
      const { clock, location, alice, binding, update, removeExpired } = await start();
      const name = `${alice.user}@${alice.realm}`;
      const expired: string[] = [];
      location.onExpired((aor) => expired.push(aor));
      const short = binding('sip:a@192.0.2.1', { expiryTime: clock.now() + 70_000, savedAt: clock.now() + 1 });
      const long = binding('sip:b@192.0.2.1', { expiryTime: clock.now() + 140_000 });
      await location.update(update({ save: [short, long], maxContacts: 2 }));
      clock.advance(70_001);
      await removeExpired();
      expect(expired).not.toContain(name);
      clock.advance(70_000);
      await removeExpired();
      await removeExpired();
      expect(expired.filter((aor) => aor === name)).toEqual([name]);
    });

    test('an older binding outlives a newer one that expires first', async () => {
      const { clock, location, binding, update, contacts, count } = await start();
      await location.update(update({ save: [binding('sip:a@192.0.2.1')], maxContacts: 2 }));
      clock.advance(10);
      const brief = binding('sip:a@192.0.2.2', { expiryTime: clock.now() + 60_000 });
      await location.update(update({ save: [brief], maxContacts: 2 }));
      clock.advance(60_000);
      expect(await contacts()).toEqual(['sip:a@192.0.2.1']);
      await location.update(update());
      expect(await count()).toBe(1);
    });

    const lateRequests: [string, (saved: Binding) => Partial<Update>][] = [
      ['renewal', (saved) => ({ save: [saved] })],
      ['removal', (saved) => ({ remove: [saved] })],
      ['removal of all', () => ({ remove: 'all' })],
    ];
    test.each(lateRequests)('refuses a late %s: same Call-ID, CSeq not higher', async (_, changesOf) => {
      const { location, binding, update, contacts } = await start();
      const saved = binding('sip:a@192.0.2.1', { cseq: 10 });
      await location.update(update({ save: [saved], callId: 'call', cseq: 10 }));
      const changes = changesOf(saved);
      const refused = { ok: false, refusal: 'out-of-order' } as const;
      expect(await location.update(update({ ...changes, callId: 'call', cseq: 10 }))).toEqual(refused);
      expect(await location.update(update({ ...changes, callId: 'call', cseq: 9 }))).toEqual(refused);
      expect(await contacts()).toEqual(['sip:a@192.0.2.1']);
      expect(await location.update(update({ ...changes, callId: 'call', cseq: 11 }))).toMatchObject({ ok: true });
    });

    test('accepts a CSeq that is not higher with a nonce issued after the binding was saved', async () => {
      const { clock, location, binding, update } = await start();
      const saved = binding('sip:a@192.0.2.1', { cseq: 10 });
      await location.update(update({ save: [saved], callId: 'call', cseq: 10 }));
      const restarted = (issuedAt: number) =>
        location.update(
          update({
            save: [saved],
            callId: 'call',
            cseq: 1,
            nonce: { id: crypto.randomUUID(), count: 1, issuedAt, expiresAt: clock.now() + 300_000 },
          }),
        );
      expect(await restarted(saved.savedAt)).toEqual({ ok: false, refusal: 'out-of-order' });
      expect(await restarted(saved.savedAt + 1)).toMatchObject({ ok: true });
    });

    test('a nonce that expires just now can still be used', async () => {
      const { clock, location, update } = await start();
      const nonce = { id: crypto.randomUUID(), count: 1, issuedAt: clock.now() - 1000, expiresAt: clock.now() };
      expect(await location.update(update({ nonce }))).toMatchObject({ ok: true });
    });

    test('a SIPS Contact precedes a newer one of another scheme, as a SIP one does', async () => {
      const { clock, location, binding, update, expectOrder } = await start();
      for (const contact of ['SIPS:a@192.0.2.1', 'tel:+15551234']) {
        await location.update(update({ save: [binding(contact)], maxContacts: 2 }));
        clock.advance(1);
      }
      await expectOrder(['SIPS:a@192.0.2.1', 'tel:+15551234']);
    });

    test('a user may contain an @', async () => {
      const { clock, location, callTarget, realm, binding, update, contacts, count } = await start();
      const aor = { user: 'alice@home', realm };
      await location.update(update({ aor, save: [binding('sip:a@192.0.2.1')], maxContacts: 2 }));
      const brief = binding('sip:a@192.0.2.2', { savedAt: clock.now() + 1, expiryTime: clock.now() + 60_000 });
      await location.update(update({ aor, save: [brief], maxContacts: 2 }));
      expect(await callTarget(aor)).toBe('sip:a@192.0.2.2');
      clock.advance(60_000);
      expect(await callTarget(aor)).toBe('sip:a@192.0.2.1');
      expect(await contacts(aor)).toEqual(['sip:a@192.0.2.1']);
      expect(await count()).toBe(1);
    });

    test('a full realm has room again as soon as a binding expires', async () => {
      const { clock, location, realm, binding, update } = await start();
      await location.update(update({ save: [binding('sip:a@192.0.2.1')], maxAors: 1 }));
      const other = () =>
        location.update(
          update({
            aor: { user: 'bob', realm },
            save: [binding('sip:b@192.0.2.2', { expiryTime: clock.now() + 600_000 })],
            maxAors: 1,
          }),
        );
      clock.advance(599_999);
      expect(await other()).toEqual({ ok: false, refusal: 'too-many-aors' });
      clock.advance(1);
      expect(await other()).toMatchObject({ ok: true });
    });

    test('a nonce-count must be higher than the last; a refused update does not use it', async () => {
      const { clock, location, alice, binding, update } = await start();
      const id = crypto.randomUUID();
      const nonce = (count: number) => ({ id, count, issuedAt: clock.now(), expiresAt: clock.now() + 300_000 });
      const replay = { ok: false, refusal: 'replay', bindings: [] } as const;
      expect(await location.update(update({ nonce: nonce(2) }))).toMatchObject({ ok: true });
      expect(await location.lookup(alice, { several: true, nonceId: id })).toMatchObject({ lastNonceCount: 2 });
      expect(await location.update(update({ nonce: nonce(2), save: [binding('sip:a@192.0.2.1')] }))).toEqual(replay);
      expect(await location.update(update({ nonce: nonce(1) }))).toEqual(replay);

      const two = [binding('sip:a@192.0.2.1'), binding('sip:a@192.0.2.2')];
      expect(await location.update(update({ nonce: nonce(3), save: two }))).toMatchObject({ ok: false });
      expect(await location.update(update({ nonce: nonce(3) }))).toMatchObject({ ok: true });
      expect(await location.update(update({ nonce: nonce(2 ** 32) }))).toMatchObject({ ok: true });
      expect(await location.update(update({ nonce: nonce(2 ** 32 - 1) }))).toEqual(replay);
    });

    test('exactly one of many concurrent uses of a nonce-count succeeds', async () => {
      const { clock, location, update } = await start();
      const nonce = { id: crypto.randomUUID(), count: 1, issuedAt: clock.now(), expiresAt: clock.now() + 300_000 };
      const outcomes = await Promise.all(Array.from({ length: 20 }, () => location.update(update({ nonce }))));
      expect(outcomes.filter((o) => o.ok)).toHaveLength(1);
    });

    test('counts the AORs of a realm, not their bindings', async () => {
      const { location, realm, alice, binding, update, count } = await start();
      const two = [binding('sip:a@192.0.2.1'), binding('sip:a@192.0.2.2')];
      await location.update(update({ save: two, maxContacts: 2 }));
      await location.update(update({ aor: { user: 'bob', realm }, save: [binding('sip:b@192.0.2.3')] }));
      await location.update(
        update({
          aor: { user: 'eve', realm: `x${realm}` },
          accountRealm: `x${realm}`,
          save: [binding('sip:e@192.0.2.4')],
        }),
      );
      expect(await count()).toBe(2);
      await location.update(update({ aor: alice, remove: 'all' }));
      expect(await count()).toBe(1);
    });

    test('a full realm refuses new AORs, concurrent ones too, and renews known ones', async () => {
      const { location, realm, binding, update, count } = await start();
      const save = [binding('sip:a@192.0.2.1')];
      const tries = Array.from({ length: 12 }, (_, i) =>
        location.update(update({ aor: { user: `u${i}`, realm }, save, maxAors: 5 })),
      );
      const outcomes = await Promise.all(tries);
      expect(outcomes.filter((o) => o.ok)).toHaveLength(5);
      expect(outcomes.filter((o) => !o.ok && o.refusal === 'too-many-aors')).toHaveLength(7);
      expect(await count()).toBe(5);
      const known = update({ aor: { user: 'u0', realm }, save, maxAors: 5 });
      expect(await location.update(known)).toMatchObject({ ok: true });
    });
  });
}
