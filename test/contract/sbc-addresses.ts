import { describe, expect, test } from 'bun:test';
import type { Kysely } from 'kysely';
import type { Tables } from '../../src/adapters/sql/tables.ts';
import type { SbcAddresses } from '../../src/ports/sbc-addresses.ts';
import { newIp } from './ephemeral-gateways.ts';

const HOUR = 3600;

export interface SbcAddressesBench {
  readonly open: () => SbcAddresses;
  readonly db: Kysely<Tables>;
  /** Sets the age of an IP's rows in seconds; null clears last_updated. Of those with `port` only when it is given. */
  readonly age: (ip: string, seconds: number | null, port?: number) => Promise<unknown>;
  /** Whether the index on IP and port is unique, as in newer schemas. */
  readonly unique: boolean;
}

/** A row as another sidecar may have left it. */
export function row(ip: string, port: number) {
  const sids = { sbc_address_sid: crypto.randomUUID(), service_provider_sid: crypto.randomUUID() };
  return { ...sids, ipv4: ip, port, tls_port: 1, wss_port: 2, last_updated: null };
}

export function sbcAddressesContract(service: string, { open, db, age, unique }: SbcAddressesBench): void {
  describe(`SBC addresses on ${service}`, () => {
    const addresses = open();
    const rows = (ip: string) =>
      db.selectFrom('sbc_addresses').selectAll().where('ipv4', '=', ip).orderBy('port').execute();
    const ports = async (ip: string) => (await rows(ip)).map(({ port }) => port);

    test('inserts an address with its ports', async () => {
      const [full, bare] = [newIp(), newIp()];
      await addresses.announce(
        [
          { ip: full, port: 5060, tlsPort: 5061, wssPort: 8443 },
          { ip: bare, port: 5070 },
        ],
        HOUR,
      );
      expect(await rows(full)).toMatchObject([
        { ipv4: full, port: 5060, tls_port: 5061, wss_port: 8443, service_provider_sid: null },
      ]);
      expect(await rows(bare)).toMatchObject([{ ipv4: bare, port: 5070, tls_port: null, wss_port: null }]);
      expect((await rows(bare))[0]?.last_updated).not.toBeNull();
    });

    test('announcing an address again updates the other ports and the time of its row', async () => {
      const [ip, other] = [newIp(), newIp()];
      await addresses.announce([{ ip: other, port: 5060, tlsPort: 5061 }], HOUR);
      await addresses.announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
      const [before] = await rows(ip);
      await age(ip, 600);
      const [old] = await rows(ip);
      await addresses.announce([{ ip, port: 5060, wssPort: 8443 }], HOUR);
      const renewed = await rows(ip);
      expect(renewed).toMatchObject([{ sbc_address_sid: before?.sbc_address_sid, tls_port: null, wss_port: 8443 }]);
      expect(renewed[0]?.last_updated).not.toEqual(old?.last_updated ?? null);
      expect(await rows(other)).toMatchObject([{ tls_port: 5061, wss_port: null }]);
    });

    test('announcing an address again at once changes nothing', async () => {
      const ip = newIp();
      await addresses.announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
      const before = await rows(ip);
      for (let i = 0; i < 3; i++) await addresses.announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
      expect(await rows(ip)).toMatchObject([{ ...before[0], last_updated: expect.anything() }]);
    });

    test('renews a row of an earlier jambonz sidecar and keeps its other columns', async () => {
      const ip = newIp();
      const old = row(ip, 5060);
      await db.insertInto('sbc_addresses').values(old).execute();
      await addresses.announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
      expect(await rows(ip)).toMatchObject([
        { ...old, tls_port: 5061, wss_port: null, last_updated: expect.anything() },
      ]);
    });

    test('an address with another port has a row of its own', async () => {
      const ip = newIp();
      await addresses.announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
      await addresses.announce([{ ip, port: 5080 }], HOUR);
      expect(await rows(ip)).toMatchObject([
        { port: 5060, tls_port: 5061 },
        { port: 5080, tls_port: null },
      ]);
    });

    test('two rows of one address live and die each for itself', async () => {
      const ip = newIp();
      const both = [
        { ip, port: 5060, tlsPort: 5061 },
        { ip, port: 5080, tlsPort: 5081 },
      ];
      await addresses.announce(both, HOUR);
      await age(ip, HOUR + 5);
      await addresses.announce(both, HOUR);
      expect(await rows(ip)).toMatchObject([{ tls_port: 5061 }, { tls_port: 5081 }]);
      await age(ip, HOUR - 60);
      await addresses.announce([{ ip, port: 5080 }], HOUR);
      expect(await ports(ip)).toEqual([5060, 5080]);
      await age(ip, HOUR + 5, 5060);
      await addresses.announce([{ ip, port: 5080 }], HOUR);
      expect(await ports(ip)).toEqual([5080]);
    });

    if (!unique)
      test('several rows of one address and port are all renewed', async () => {
        const ip = newIp();
        const [one, two] = [row(ip, 5060), row(ip, 5060)];
        for (const old of [one, two]) await db.insertInto('sbc_addresses').values(old).execute();
        await addresses.announce([{ ip, port: 5060, tlsPort: 5061 }], HOUR);
        const sids = (await rows(ip)).map(({ sbc_address_sid }) => sbc_address_sid);
        expect(sids.sort()).toEqual([one.sbc_address_sid, two.sbc_address_sid].sort());
        expect(await rows(ip)).toMatchObject([{ tls_port: 5061 }, { tls_port: 5061 }]);
        expect((await rows(ip)).every(({ last_updated }) => last_updated !== null)).toBe(true);
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

    test('deletes rows from the given age on', async () => {
      const ip = newIp();
      await addresses.announce([{ ip, port: 5060 }], HOUR);
      await age(ip, 5000);
      await addresses.announce([], 6000);
      expect(await ports(ip)).toEqual([5060]);
      await addresses.announce([], 4000);
      expect(await ports(ip)).toEqual([]);
    });

    test('deletes dead rows when there is no address to announce', async () => {
      const ip = newIp();
      await db.insertInto('sbc_addresses').values(row(ip, 5060)).execute();
      await addresses.announce([], HOUR);
      expect(await rows(ip)).toEqual([]);
    });

    test('concurrent announcements of one address make one row', async () => {
      const ips = [newIp(), newIp()];
      const all = ips.map((ip) => ({ ip, port: 5060 }));
      const sidecars = Array.from({ length: 4 }, open);
      await Promise.all(sidecars.map((sidecar) => sidecar.announce(all, HOUR)));
      for (const ip of ips) expect(await rows(ip)).toHaveLength(1);
    });

    test('concurrent announcements of several addresses make a row each', async () => {
      const ips = Array.from({ length: 8 }, newIp);
      await Promise.all(ips.map((ip) => open().announce([{ ip, port: 5060 }], HOUR)));
      for (const ip of ips) expect(await rows(ip)).toHaveLength(1);
    });

    test('a dead row that its sidecar announces while others delete it is there in the end', async () => {
      const ips = Array.from({ length: 5 }, newIp);
      for (const ip of ips) await db.insertInto('sbc_addresses').values(row(ip, 5060)).execute();
      await Promise.all(ips.map((ip) => open().announce([{ ip, port: 5060 }], HOUR)));
      for (const ip of ips) expect(await rows(ip)).toHaveLength(1);
    });
  });
}
