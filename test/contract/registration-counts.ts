import { describe, expect, test } from 'bun:test';
import type { LocationService } from '../../src/ports/location.ts';
import type { RegistrationCounts } from '../../src/ports/registration-counts.ts';
import { ManualTimers } from '../support/timers.ts';
import { bindingOf } from './registrations.ts';

export interface RegistrationCountsBench {
  readonly location: LocationService;
  readonly counts: RegistrationCounts;
}

const HOUR_S = 3_600;

/** @param open an empty store */
export function registrationCountsContract(
  name: string,
  open: (timers: ManualTimers) => Promise<RegistrationCountsBench>,
): void {
  describe(`counts of registrations on ${name}`, () => {
    async function start() {
      const timers = new ManualTimers(Date.now());
      const { location, counts } = await open(timers);
      const update = (user: string, realm: string, expires: number, accountRealm = realm) => {
        const bound = bindingOf(`sip:${user}@192.0.2.1`, timers.now());
        const binding = { ...bound, expiryTime: timers.now() + expires * 1000 };
        return location.update({
          aor: { user, realm },
          accountRealm,
          callId: binding.callId,
          cseq: 1,
          save: expires > 0 ? [binding] : [],
          remove: expires > 0 ? [] : 'all',
          maxContacts: 1,
        });
      };
      return { timers, counts, update };
    }

    test('an empty store has none', async () => {
      const { counts } = await start();
      expect(await counts.count(10)).toEqual({ total: 0, realms: 0, largest: [] });
    });

    test('AORs count once, by the realm of their account', async () => {
      const { counts, update } = await start();
      await update('alice', 'a.test', HOUR_S);
      await update('alice', 'a.test', HOUR_S);
      await update('bob', 'a.test', HOUR_S);
      await update('carol', 'sub.a.test', HOUR_S, 'a.test');
      await update('alice', 'b.test', HOUR_S);
      expect(await counts.count(10)).toEqual({
        total: 4,
        realms: 2,
        largest: [
          ['a.test', 3],
          ['b.test', 1],
        ],
      });
    });

    test('what has expired or was removed does not count, also before it is deleted', async () => {
      const { counts, update, timers } = await start();
      await update('alice', 'a.test', 60);
      await update('bob', 'a.test', HOUR_S);
      await update('carol', 'b.test', 60);
      await update('dave', 'c.test', HOUR_S);
      await update('dave', 'c.test', 0);
      expect(await counts.count(10)).toMatchObject({ total: 3, realms: 2 });
      timers.advance(60_000);
      expect(await counts.count(10)).toEqual({ total: 1, realms: 1, largest: [['a.test', 1]] });
    });

    test('the largest realms are named, of hundreds', async () => {
      const { counts, update } = await start();
      const realms = Array.from({ length: 450 }, (_, i) => `r${i}.test`);
      await Promise.all(realms.map((realm) => update('alice', realm, HOUR_S)));
      for (const realm of ['r7.test', 'r449.test']) await update('bob', realm, HOUR_S);
      await update('carol', 'r449.test', HOUR_S);
      const { total, realms: found, largest } = await counts.count(2);
      expect([total, found]).toEqual([453, 450]);
      expect(largest).toEqual([
        ['r449.test', 3],
        ['r7.test', 2],
      ]);
    });
  });
}
