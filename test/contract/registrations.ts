import { describe, expect, test } from 'bun:test';
import { defined } from '../../src/lib/defined.ts';
import type { Aor, Binding, LocationService } from '../../src/ports/location.ts';
import type { Registration, Registrations } from '../../src/ports/registrations.ts';
import { ManualTimers } from '../support/timers.ts';

export interface RegistrationsBench {
  readonly registrations: Registrations;
  readonly location: LocationService;
}

/** A binding for an hour. */
export function bindingOf(contact: string, now: number): Binding {
  return {
    key: contact,
    uri: contact,
    contact,
    contactParams: '',
    callId: crypto.randomUUID(),
    cseq: 1,
    protocol: 'udp',
    proxy: 'sip:192.0.2.1:5060',
    sbcAddress: 'udp/10.0.0.1:5060',
    privateSbcAddress: '10.0.0.1:5060',
    userAgent: 'phone',
    grant: { allowDirectAppCalling: true, allowDirectQueueCalling: false, allowDirectUserCalling: true },
    expiryTime: now + 3_600_000,
    savedAt: now,
  };
}

export async function collect(batches: AsyncIterable<readonly Registration[]>): Promise<Registration[]> {
  return (await Array.fromAsync(batches)).flat();
}

/** @param open a store that holds nothing else */
export function registrationsContract(name: string, open: (timers: ManualTimers) => Promise<RegistrationsBench>): void {
  describe(`registrations on ${name}`, () => {
    async function start() {
      const timers = new ManualTimers(Date.now());
      const { registrations, location } = await open(timers);
      const save = (aor: Aor, bindings: readonly Binding[], accountRealm = aor.realm) =>
        location.update({
          aor,
          accountRealm,
          callId: crypto.randomUUID(),
          cseq: 1,
          save: bindings,
          remove: [],
          maxContacts: 10,
        });
      const register = (user: string, realm: string, accountRealm?: string) =>
        save({ user, realm }, [bindingOf(`sip:${user}@192.0.2.1`, timers.now())], accountRealm);
      const aors = async (realm?: string, text?: string) =>
        (await collect(registrations.batches(defined({ realm, text }))))
          .map(({ aor }) => `${aor.user}@${aor.realm}`)
          .sort();
      return { timers, registrations, save, register, aors };
    }

    test('an empty store has none', async () => {
      const { registrations, aors } = await start();
      expect(await aors()).toEqual([]);
      expect(await registrations.countAors()).toBe(0);
    });

    test('an AOR comes with all its bindings, with every field, in the order in which they are called', async () => {
      const { timers, registrations, save } = await start();
      const aor = { user: 'alice', realm: 'one.example.com' };
      const bindings = ['sip:a@192.0.2.1', 'sip:b@192.0.2.2', 'sip:c@192.0.2.3'].map((c) => bindingOf(c, timers.now()));
      await save(aor, bindings);
      expect(await collect(registrations.batches())).toEqual([{ aor, bindings }]);
      expect(await registrations.countAors()).toBe(1);
    });

    test('every AOR comes once, at most a hundred at a time', async () => {
      const { registrations, register, aors } = await start();
      const users = Array.from({ length: 1050 }, (_, i) => `user${i}`);
      for (const user of users) await register(user, 'one.example.com');
      expect(await aors()).toEqual(users.map((user) => `${user}@one.example.com`).sort());
      for await (const batch of registrations.batches()) expect(batch.length).toBeLessThanOrEqual(100);
      expect(await registrations.countAors()).toBe(1050);
    });

    test('what is expired is not listed and not counted', async () => {
      const { timers, registrations, save, register, aors } = await start();
      await register('long', 'one.example.com');
      const brief = (contact: string) => ({ ...bindingOf(contact, timers.now()), expiryTime: timers.now() + 60_000 });
      await save({ user: 'brief', realm: 'one.example.com' }, [brief('sip:brief@192.0.2.1')]);
      const [a, b] = [brief('sip:a@192.0.2.1'), bindingOf('sip:b@192.0.2.1', timers.now())];
      await save({ user: 'both', realm: 'one.example.com' }, [a, b]);
      timers.advance(60_000);
      expect(await aors()).toEqual(['both@one.example.com', 'long@one.example.com']);
      const both = (await collect(registrations.batches())).find(({ aor }) => aor.user === 'both');
      expect(both?.bindings.map(({ contact }) => contact)).toEqual(['sip:b@192.0.2.1']);
      timers.advance(3_600_000);
      expect(await aors()).toEqual([]);
      expect(await registrations.countAors()).toBe(0);
    });

    test('a realm comes with its sub-domains, and with no other realm', async () => {
      const { register, aors } = await start();
      await register('a', 'example.com');
      await register('b', 'sub.example.com', 'example.com');
      await register('c', 'badexample.com');
      await register('d', 'example.com.org');
      await register('e', 'exampleXcom.org');
      expect(await aors('example.com')).toEqual(['a@example.com', 'b@sub.example.com']);
      expect(await aors('sub.example.com')).toEqual(['b@sub.example.com']);
      expect(await aors('com')).toHaveLength(3);
      expect(await aors('ample.com')).toEqual([]);
    });

    test.each(['*', '*.com', '[a-z]*', 'ex?mple.com', '\\', '%', '', '^', ']', 'example.co_'])(
      'the realm %j is no pattern',
      async (realm) => {
        const { register, aors } = await start();
        await register('a', 'example.com');
        expect(await aors(realm)).toEqual([]);
      },
    );

    test('a text selects the AORs that have it in their names, in any case', async () => {
      const { register, aors } = await start();
      await register('Alice', 'one.example.com');
      await register('bob', 'alice.example.com');
      await register('carol', 'two.example.com');
      await register('jürgen', 'two.example.com');
      expect(await aors(undefined, 'aLIce')).toEqual(['Alice@one.example.com', 'bob@alice.example.com']);
      expect(await aors(undefined, 'alice@one')).toEqual(['Alice@one.example.com']);
      expect(await aors('two.example.com', 'carol')).toEqual(['carol@two.example.com']);
      expect(await aors('one.example.com', 'carol')).toEqual([]);
      expect(await aors(undefined, 'JÜR')).toEqual(['jürgen@two.example.com']);
      expect(await aors(undefined, 'user:')).toEqual([]);
    });

    test('AORs that a text selects come a few hundred at a time', async () => {
      const { registrations, register } = await start();
      for (let i = 0; i < 450; i++) await register(`user${i}`, i < 225 ? 'one.example.com' : 'two.example.com');
      const batches = await Array.fromAsync(registrations.batches({ text: 'one' }));
      expect(batches.flat()).toHaveLength(225);
      for (const batch of batches) expect(batch.length).toBeLessThanOrEqual(200);
    });

    test.each(['*', '?', '[a-z]', 'a*e', '\\', '%', '_', '^', ']', '[', '-'])(
      'the text %j is no pattern',
      async (text) => {
        const { register, aors } = await start();
        await register('alice', 'example.com');
        expect(await aors(undefined, text)).toEqual([]);
        await register(`a${text}b`, 'example.com');
        expect(await aors(undefined, text)).toEqual([`a${text}b@example.com`]);
      },
    );

    test('a reader may stop at any time, and reads nothing further', async () => {
      const { registrations, register } = await start();
      for (let i = 0; i < 450; i++) await register(`user${i}`, 'one.example.com');
      for await (const batch of registrations.batches()) {
        expect(batch.length).toBeGreaterThan(0);
        break;
      }
      expect(await collect(registrations.batches())).toHaveLength(450);
    });
  });
}
