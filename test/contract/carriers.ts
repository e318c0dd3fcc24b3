import { afterAll, describe, expect, test } from 'bun:test';
import type { Kysely } from 'kysely';
import { SqlCarriers } from '../../src/adapters/sql/carriers.ts';
import type { Tables } from '../../src/adapters/sql/tables.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sqlServer } from '../support/sql-server.ts';

const CARRIER = {
  account_sid: null,
  service_provider_sid: null,
  is_active: 1,
  requires_register: 1,
  register_username: 'me',
  register_sip_realm: null,
  register_password: 'secret',
  register_from_user: null,
  register_from_domain: null,
  register_public_ip_in_contact: 0,
  register_status: null,
  outbound_sip_proxy: null,
  trunk_type: 'static_ip',
} satisfies Partial<Tables['voip_carriers']>;

const GATEWAY = {
  ipv4: 'sip.carrier.test',
  netmask: 32,
  port: null,
  inbound: 0,
  outbound: 1,
  is_active: 1,
  send_options_ping: 0,
  use_sips_scheme: 0,
  protocol: 'udp',
} satisfies Partial<Tables['sip_gateways']>;

/** Runs on every database. The tables may have rows of other tests. */
export function carriersContract(service: string, db: Kysely<Tables>): void {
  describe(`carriers on ${service}`, () => {
    const carrierSids: string[] = [];
    afterAll(async () => {
      await db.deleteFrom('sip_gateways').where('voip_carrier_sid', 'in', carrierSids).execute();
      await db.deleteFrom('voip_carriers').where('voip_carrier_sid', 'in', carrierSids).execute();
    });

    function start() {
      const logger = new RecordingLogger();
      return { logger, directory: new SqlCarriers(sqlServer(db, service), sqlServer(db, service), logger) };
    }
    const { directory } = start();

    async function addAccount(isActive: number) {
      const account_sid = crypto.randomUUID();
      const sip_realm = `${account_sid}.example.com`;
      await db
        .insertInto('accounts')
        .values({
          account_sid,
          name: 'a',
          sip_realm,
          service_provider_sid: null,
          registration_hook_sid: null,
          is_active: isActive,
          webhook_secret: null,
          device_to_call_ratio: 5,
        })
        .execute();
      return { account_sid, sip_realm };
    }

    async function addCarrier(changes: Partial<Tables['voip_carriers']> = {}) {
      const voip_carrier_sid = crypto.randomUUID();
      carrierSids.push(voip_carrier_sid);
      await db
        .insertInto('voip_carriers')
        .values({ ...CARRIER, voip_carrier_sid, name: 'Carrier', ...changes })
        .execute();
      return voip_carrier_sid;
    }

    async function addGateway(voip_carrier_sid: string, changes: Partial<Tables['sip_gateways']> = {}) {
      const sip_gateway_sid = crypto.randomUUID();
      await db
        .insertInto('sip_gateways')
        .values({ ...GATEWAY, sip_gateway_sid, voip_carrier_sid, ...changes })
        .execute();
      return sip_gateway_sid;
    }

    async function read(carrierSid: string, from = directory) {
      const { trunks, pinged } = await from.read();
      return {
        trunks: trunks.filter((t) => t.carrierSid === carrierSid),
        pinged: pinged.filter((g) => g.carrierSid === carrierSid),
      };
    }
    /** Why a carrier, or gateways of it, cannot be registered. */
    async function reasons(carrierSid: string) {
      const { unregistrable = [] } = await directory.read();
      return unregistrable.filter((u) => u.carrierSid === carrierSid).map(({ gatewaySid, why }) => [gatewaySid, why]);
    }
    const row = (sid: string) =>
      db.selectFrom('voip_carriers').selectAll().where('voip_carrier_sid', '=', sid).executeTakeFirstOrThrow();

    test('maps all columns of a trunk', async () => {
      const { account_sid, sip_realm } = await addAccount(1);
      const service_provider_sid = crypto.randomUUID();
      const carrierSid = await addCarrier({
        account_sid,
        service_provider_sid,
        name: 'Full',
        register_sip_realm: 'realm.test',
        trunk_type: 'reg',
        register_from_user: 'from',
        register_from_domain: 'from.test',
        register_public_ip_in_contact: 1,
        outbound_sip_proxy: 'proxy.test:5070',
      });
      const gatewaySid = await addGateway(carrierSid, { port: 5061, protocol: 'tls', use_sips_scheme: 1 });
      expect(await read(carrierSid)).toEqual({
        pinged: [],
        trunks: [
          {
            gatewaySid,
            carrierSid,
            carrierName: 'Full',
            accountSid: account_sid,
            serviceProviderSid: service_provider_sid,
            host: 'sip.carrier.test',
            port: 5061,
            transport: 'tls',
            sips: true,
            trunkType: 'reg',
            username: 'me',
            password: 'secret',
            realm: 'realm.test',
            fromUser: 'from',
            fromDomain: 'from.test',
            outboundProxy: 'proxy.test:5070',
            publicIpInContact: true,
            accountRealm: sip_realm,
          },
        ],
      });
    });

    test('a carrier of an account is of its service provider, unless the carrier names one', async () => {
      const { account_sid } = await addAccount(1);
      const service_provider_sid = crypto.randomUUID();
      await db.updateTable('accounts').set({ service_provider_sid }).where('account_sid', '=', account_sid).execute();
      const own = crypto.randomUUID();
      const carriers = [
        await addCarrier({ account_sid }),
        await addCarrier({ account_sid, service_provider_sid: own }),
      ];
      const providers: (string | undefined)[] = [];
      for (const carrierSid of carriers) {
        await addGateway(carrierSid, { send_options_ping: 1 });
        const { trunks, pinged } = await read(carrierSid);
        providers.push(trunks[0]?.serviceProviderSid, pinged[0]?.serviceProviderSid);
      }
      expect(providers).toEqual([service_provider_sid, service_provider_sid, own, own]);
    });

    test('empty columns are absent; the realm defaults to the gateway’s host', async () => {
      const carrierSid = await addCarrier({ register_password: '', register_from_user: ' ', trunk_type: 'auth' });
      const gatewaySid = await addGateway(carrierSid, { ipv4: ' 192.0.2.1 ' });
      expect((await read(carrierSid)).trunks).toEqual([
        {
          gatewaySid,
          carrierSid,
          carrierName: 'Carrier',
          host: '192.0.2.1',
          transport: 'udp',
          sips: false,
          trunkType: 'auth',
          username: 'me',
          realm: '192.0.2.1',
          publicIpInContact: false,
        },
      ]);
    });

    test('tls/srtp means tls; sips applies to tls only', async () => {
      const carrierSid = await addCarrier();
      await addGateway(carrierSid, { protocol: 'tls/srtp', use_sips_scheme: 1 });
      await addGateway(carrierSid, { protocol: 'tcp', use_sips_scheme: 1 });
      const { trunks } = await read(carrierSid);
      expect(trunks.map(({ transport, sips }) => `${transport} ${sips}`).sort()).toEqual(['tcp false', 'tls true']);
    });

    test('reads only active outbound gateways of active carriers', async () => {
      const carrierSid = await addCarrier();
      await addGateway(carrierSid, { outbound: 0, send_options_ping: 1 });
      await addGateway(carrierSid, { is_active: 0, send_options_ping: 1 });
      expect(await read(carrierSid)).toEqual({ trunks: [], pinged: [] });
      const inactive = await addCarrier({ is_active: 0 });
      await addGateway(inactive, { send_options_ping: 1 });
      expect(await read(inactive)).toEqual({ trunks: [], pinged: [] });
    });

    test('skips carriers of inactive or unknown accounts and reads those without an account', async () => {
      const countRead = async (account_sid: string | null) => {
        const sid = await addCarrier({ account_sid });
        await addGateway(sid, { send_options_ping: 1 });
        const { trunks, pinged } = await read(sid);
        return [trunks.length, pinged.length];
      };
      expect(await countRead((await addAccount(0)).account_sid)).toEqual([0, 0]);
      expect(await countRead((await addAccount(1)).account_sid)).toEqual([1, 1]);
      expect(await countRead(crypto.randomUUID())).toEqual([0, 0]);
      expect(await countRead(null)).toEqual([1, 1]);
    });

    test('pings gateways that have it enabled, whether or not the carrier requires registration', async () => {
      const carrierSid = await addCarrier({ requires_register: 0, register_username: null, register_password: null });
      await addGateway(carrierSid);
      const gatewaySid = await addGateway(carrierSid, { ipv4: '[2001:db8::1]', port: 0, send_options_ping: 1 });
      expect(await read(carrierSid)).toEqual({
        trunks: [],
        pinged: [
          { gatewaySid, carrierSid, carrierName: 'Carrier', host: '2001:db8::1', transport: 'udp', sips: false },
        ],
      });
    });

    test('skips an unusable row, logs it once and reads the others', async () => {
      const { logger, directory: own } = start();
      const carrierSid = await addCarrier();
      const bad = await addGateway(carrierSid, { ipv4: 'not a host' });
      const nameless = await addCarrier({ register_username: null });
      const noUser = await addGateway(nameless, { send_options_ping: 1 });
      const good = await addGateway(carrierSid);
      for (let i = 0; i < 2; i++) expect((await read(carrierSid, own)).trunks.map((t) => t.gatewaySid)).toEqual([good]);
      expect(await read(nameless, own)).toMatchObject({ trunks: [], pinged: [{ gatewaySid: noUser }] });
      const logged = logger.lines.flatMap(({ fields }) => ('gatewaySid' in fields ? [fields.gatewaySid] : [])).sort();
      expect(logged.filter((sid) => sid === bad || sid === noUser)).toEqual([bad, noUser].sort());
      await db.deleteFrom('sip_gateways').where('sip_gateway_sid', 'in', [bad, noUser]).execute();
    });

    test('says why a carrier that requires registration has no gateway to register with', async () => {
      const carrierSid = await addCarrier();
      expect(await reasons(carrierSid)).toEqual([[undefined, 'it has no gateway']]);
      await addGateway(carrierSid, { outbound: 0, inbound: 1 });
      expect(await reasons(carrierSid)).toEqual([[undefined, 'it has no outbound gateway']]);
      await addGateway(carrierSid, { is_active: 0 });
      expect(await reasons(carrierSid)).toEqual([[undefined, 'its outbound gateways are inactive']]);
      await addGateway(carrierSid);
      expect(await reasons(carrierSid)).toEqual([]);
      expect((await read(carrierSid)).trunks).toHaveLength(1);
    });

    test('says nothing of carriers that need no registration or are inactive', async () => {
      const accountSid = (await addAccount(0)).account_sid;
      for (const columns of [{ requires_register: 0 }, { is_active: 0 }, { account_sid: accountSid }]) {
        const carrierSid = await addCarrier(columns);
        expect(await reasons(carrierSid)).toEqual([]);
        await addGateway(carrierSid, { outbound: 0 });
        await addGateway(carrierSid, { ipv4: 'not a host', send_options_ping: 1 });
        expect(await reasons(carrierSid)).toEqual([]);
      }
    });

    test('names carriers that are switched off while their status says ok', async () => {
      const accountSid = (await addAccount(0)).account_sid;
      const status = { reason: '200 OK', timestamp: '' };
      const named = async (carrierSid: string) => (await directory.read()).switchedOff?.includes(carrierSid) ?? false;
      for (const columns of [{ requires_register: 0 }, { is_active: 0 }, { account_sid: accountSid }]) {
        const carrierSid = await addCarrier(columns);
        const gatewaySid = await addGateway(carrierSid, { send_options_ping: 1 });
        expect(await named(carrierSid)).toBe(false);
        await directory.saveRegisterStatus(carrierSid, { status: 'ok', ...status });
        expect(await named(carrierSid)).toBe(true);
        const pinged = 'requires_register' in columns ? [gatewaySid] : [];
        const { trunks, pinged: found } = await read(carrierSid);
        expect([trunks, found.map((g) => g.gatewaySid)]).toEqual([[], pinged]);
        await directory.saveRegisterStatus(carrierSid, { status: 'fail', ...status });
        expect(await named(carrierSid)).toBe(false);
      }
      const on = await addCarrier();
      await addGateway(on);
      await directory.saveRegisterStatus(on, { status: 'ok', ...status });
      expect(await named(on)).toBe(false);
    });

    test.each([
      ['10.0.0.1:5060', 'its address contains a port, which has a column of its own'],
      [' sip.carrier.test:5080 ', 'its address contains a port, which has a column of its own'],
      ['[2001:db8::1]:5060', 'its address contains a port, which has a column of its own'],
      ['sip.carrier.test:', 'its address contains a port, which has a column of its own'],
      ['sip:carrier.test', 'its address is neither an address nor a name'],
      ['10.0.0.0/24', 'its address is neither an address nor a name'],
      ['', 'its address is neither an address nor a name'],
    ])('says of each gateway what is wrong with it: the address %j', async (ipv4, why) => {
      const carrierSid = await addCarrier();
      const gatewaySid = await addGateway(carrierSid, { ipv4, send_options_ping: 1 });
      expect(await reasons(carrierSid)).toEqual([[gatewaySid, why]]);
      expect(await read(carrierSid)).toEqual({ trunks: [], pinged: [] });
    });

    test.each(['2001:db8::1', '[2001:db8::1]', '::1', '10.0.0.1'])('takes the address %s', async (ipv4) => {
      const carrierSid = await addCarrier();
      await addGateway(carrierSid, { ipv4 });
      expect(await reasons(carrierSid)).toEqual([]);
      expect((await read(carrierSid)).trunks).toHaveLength(1);
    });

    test('says that a carrier has no username', async () => {
      const carrierSid = await addCarrier({ register_username: ' ' });
      const gatewaySid = await addGateway(carrierSid);
      expect(await reasons(carrierSid)).toEqual([[gatewaySid, 'it has no username']]);
    });

    test('the status of a carrier that does not exist is no error', async () => {
      const status = { status: 'fail', reason: 'registration switched off', timestamp: '' } as const;
      await directory.saveRegisterStatus(crypto.randomUUID(), status);
    });

    test('a row that becomes unusable for another reason is logged again', async () => {
      const { logger, directory: own } = start();
      const carrierSid = await addCarrier();
      const bad = await addGateway(carrierSid, { ipv4: 'not a host' });
      await own.read();
      await db
        .updateTable('sip_gateways')
        .set({ ipv4: 'a.test', port: 70_000 })
        .where('sip_gateway_sid', '=', bad)
        .execute();
      await own.read();
      const reasons = logger.lines.flatMap(({ fields }) =>
        'gatewaySid' in fields && fields.gatewaySid === bad && 'why' in fields ? [fields.why] : [],
      );
      expect(reasons).toEqual(['its address is neither an address nor a name', 'its port is out of range']);
      await db.deleteFrom('sip_gateways').where('sip_gateway_sid', '=', bad).execute();
    });

    test('a gateway with a port beyond 0 to 65535 is skipped', async () => {
      const carrierSid = await addCarrier();
      for (const port of [-1, 65_535, 65_536]) await addGateway(carrierSid, { port });
      expect((await read(carrierSid)).trunks.map((t) => t.port)).toEqual([65_535]);
    });

    test('blanks around a password are part of it', async () => {
      const carrierSid = await addCarrier({ register_password: ' se cret ' });
      await addGateway(carrierSid);
      expect((await read(carrierSid)).trunks).toMatchObject([{ password: ' se cret ' }]);
    });

    test('reads the SIP domain of the system', async () => {
      const carrierSid = await addCarrier();
      await db.deleteFrom('system_information').execute();
      expect(await directory.read()).not.toHaveProperty('sipDomain');
      const none = { domain_name: null, private_network_cidr: null };
      await db
        .insertInto('system_information')
        .values({ ...none, sip_domain_name: 'sip.system.test' })
        .execute();
      expect(await directory.read()).toHaveProperty('sipDomain', 'sip.system.test');
      await db.deleteFrom('system_information').execute();
      await db.deleteFrom('voip_carriers').where('voip_carrier_sid', '=', carrierSid).execute();
    });

    test('saves the register status as JSON of at most 4096 characters', async () => {
      const carrierSid = await addCarrier();
      const status = { cseq: '2 REGISTER', callId: 'call', timestamp: '2026-01-01T00:00:00.000Z', expires: 600 };
      await directory.saveRegisterStatus(carrierSid, { status: 'ok', reason: '200 OK', ...status });
      const saved = async () => (await row(carrierSid)).register_status ?? '';
      expect(JSON.parse(await saved())).toEqual({ status: 'ok', reason: '200 OK', ...status });
      for (const reason of [
        'x'.repeat(5000),
        '"'.repeat(5000),
        '😀'.repeat(3000),
        `x${'😀'.repeat(3000)}`,
        '\u0000'.repeat(4000),
      ]) {
        await directory.saveRegisterStatus(carrierSid, { status: 'fail', reason, ...status });
        const json = await saved();
        expect(json.length).toBeLessThanOrEqual(4096);
        const parsed = JSON.parse(json);
        expect(parsed).toMatchObject({ status: 'fail', ...status });
        expect(parsed.reason.isWellFormed()).toBe(true);
        expect(reason).toStartWith(parsed.reason.replace(/\uFFFD?…$/, ''));
      }
      await directory.saveRegisterStatus(carrierSid, {
        ...status,
        status: 'fail',
        reason: 'r',
        callId: 'c'.repeat(9999),
      });
      expect(JSON.parse(await saved())).toMatchObject({ status: 'fail', reason: 'r' });
    });

    test('disabling a registration deactivates a carrier of type reg and clears requires_register of the others', async () => {
      const flags = async (sid: string) => {
        const { is_active, requires_register } = await row(sid);
        return { is_active, requires_register };
      };
      const [reg, auth, other] = [await addCarrier({ trunk_type: 'reg' }), await addCarrier(), await addCarrier()];
      await directory.disableRegistration(reg, 'reg');
      await directory.disableRegistration(auth, 'auth');
      expect(await flags(reg)).toEqual({ is_active: 0, requires_register: 1 });
      expect(await flags(auth)).toEqual({ is_active: 1, requires_register: 0 });
      expect(await flags(other)).toEqual({ is_active: 1, requires_register: 1 });
    });

    test('disables the pings of one gateway', async () => {
      const carrierSid = await addCarrier();
      const disabled = await addGateway(carrierSid, { send_options_ping: 1 });
      const other = await addGateway(carrierSid, { send_options_ping: 1 });
      await directory.disablePing(disabled);
      expect((await read(carrierSid)).pinged.map((g) => g.gatewaySid)).toEqual([other]);
    });

    test('reads ten thousand carriers in two queries and saves the status of a thousand at once', async () => {
      const sids = Array.from({ length: 10_000 }, () => crypto.randomUUID());
      carrierSids.push(...sids);
      for (let i = 0; i < sids.length; i += 500) {
        const some = sids.slice(i, i + 500);
        await db
          .insertInto('voip_carriers')
          .values(some.map((voip_carrier_sid) => ({ ...CARRIER, voip_carrier_sid, name: voip_carrier_sid })))
          .execute();
        await db
          .insertInto('sip_gateways')
          .values(
            some.map((sid) => ({ ...GATEWAY, sip_gateway_sid: sid, voip_carrier_sid: sid, send_options_ping: 1 })),
          )
          .execute();
      }
      let queries = 0;
      const counted = db.withPlugin({
        transformQuery: ({ node }) => {
          queries++;
          return node;
        },
        transformResult: async ({ result }) => result,
      });
      const counting = new SqlCarriers(sqlServer(counted, service), sqlServer(db, service), new RecordingLogger());
      const { trunks, pinged } = await counting.read();
      expect(trunks.length).toBeGreaterThanOrEqual(10_000);
      expect(pinged.length).toBeGreaterThanOrEqual(10_000);
      expect(queries).toBe(2);

      const status = { status: 'ok', reason: '200 OK', timestamp: '2026-01-01T00:00:00.000Z' } as const;
      await Promise.all(sids.slice(0, 1000).map((sid) => directory.saveRegisterStatus(sid, status)));
      const { n } = await db
        .selectFrom('voip_carriers')
        .select((eb) => eb.fn.countAll().as('n'))
        .where('voip_carrier_sid', 'in', sids)
        .where('register_status', 'is not', null)
        .executeTakeFirstOrThrow();
      expect(Number(n)).toBe(1000);
    }, 60_000);
  });
}
