import { describe, expect, test } from 'bun:test';
import type { Kysely } from 'kysely';
import type { Tables } from '../../src/adapters/sql/tables.ts';
import type { SbcAddresses } from '../../src/ports/sbc-addresses.ts';
import { newIp } from './ephemeral-gateways.ts';

const HOUR = 3600;

/** @param age sets the age of an IP's rows in seconds; null clears last_updated */
export function sbcAddressesContract(
  service: string,
  open: () => SbcAddresses,
  db: Kysely<Tables>,
  age: (ip: string, seconds: number | null) => Promise<unknown>,
): void {
  describe(`SBC addresses on ${service}`, () => {
    const addresses = open();
    const rows = (ip: string) =>
      db
        .selectFrom('sbc_addresses')
        .select(['sbc_address_sid', 'ipv4', 'port', 'tls_port', 'wss_port'])
        .where('ipv4', '=', ip)
        .execute();
    const lastUpdated = async (ip: string) =>
      (await db.selectFrom('sbc_addresses').select('last_updated').where('ipv4', '=', ip).execute())[0]?.last_updated;

    test('inserts an address with its ports', async () => {
      const [full, bare] = [newIp(), newIp()];
      await addresses.announce(
        [
          { ip: full, port: 5060, tlsPort: 5061, wssPort: 8443 },
          { ip: bare, port: 5070 },
        ],
        HOUR,
      );
      expect(await rows(full)).toMatchObject([{ ipv4: full, port: 5060, tls_port: 5061, wss_port: 8443 }]);
      expect(await rows(bare)).toMatchObject([{ ipv4: bare, port: 5070, tls_port: null, wss_port: null }]);
    });

    test('announcing an address again updates the ports and time of its row', async () => {
      const ip = newIp();
      await addresses.announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
      const [before] = await rows(ip);
      await age(ip, 600);
      const old = await lastUpdated(ip);
      await addresses.announce([{ ip, port: 5080 }], HOUR);
      expect(await rows(ip)).toEqual([
        { sbc_address_sid: before?.sbc_address_sid ?? '', ipv4: ip, port: 5080, tls_port: null, wss_port: null },
      ]);
      expect(await lastUpdated(ip)).not.toEqual(old ?? null);
    });

    test('renews a row of an earlier jambonz sidecar and keeps its other columns', async () => {
      const ip = newIp();
      const old = { sbc_address_sid: crypto.randomUUID(), service_provider_sid: crypto.randomUUID() };
      await db
        .insertInto('sbc_addresses')
        .values({ ...old, ipv4: ip, port: 5060, tls_port: null, wss_port: null, last_updated: null })
        .execute();
      await addresses.announce([{ ip, port: 5060 }], HOUR);
      const row = await db.selectFrom('sbc_addresses').selectAll().where('ipv4', '=', ip).executeTakeFirst();
      expect(row).toMatchObject(old);
      expect(row?.last_updated).not.toBeNull();
    });

    test('deletes rows that are too old or have no time', async () => {
      const [dead, undated, alive, own] = [newIp(), newIp(), newIp(), newIp()];
      const all = [dead, undated, alive].map((ip) => ({ ip, port: 5060 }));
      await addresses.announce(all, HOUR);
      await age(dead, HOUR + 5);
      await age(undated, null);
      await age(alive, HOUR - 60);
      await addresses.announce([{ ip: own, port: 5060 }], HOUR);
      const counts = await Promise.all([dead, undated, alive, own].map(async (ip) => (await rows(ip)).length));
      expect(counts).toEqual([0, 0, 1, 1]);
    });

    test('concurrent announcements of one address make one row', async () => {
      const ips = [newIp(), newIp()];
      const all = ips.map((ip) => ({ ip, port: 5060 }));
      const sidecars = Array.from({ length: 4 }, open);
      await Promise.all(sidecars.map((sidecar) => sidecar.announce(all, HOUR)));
      for (const ip of ips) expect(await rows(ip)).toHaveLength(1);
    });
  });
}
