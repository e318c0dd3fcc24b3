import { describe, expect, test } from 'bun:test';
import { CARRIER_PASSWORD, insertCarrier } from '../support/carriers.ts';
import { eventually } from '../support/eventually.ts';
import { type Kamailio, startKamailio } from '../support/kamailio.ts';
import { openDatabase } from '../support/mariadb.ts';
import { startRedis } from '../support/redis.ts';
import { insertCarrierAt, leading, noTrunk, QUICK, refresh, trunk } from './outbound.ts';
import { fileWith, outsideStores, startEmbedded } from './sidecar.ts';

const REALM = 'carrier.test';
const mariadb = await openDatabase();
const kamailio = await startKamailio({ realm: REALM, users: { line: CARRIER_PASSWORD, other: 'word-of-another' } });

function contactsOf({ contacts }: Kamailio, user: string, count: number) {
  return eventually(`${count} contacts of ${user}`, async () => {
    const found = (await contacts()).filter((c) => c.user === user);
    return found.length === count ? found : undefined;
  });
}

test.each(['udp', 'tcp'] as const)(
  'a carrier in MariaDB is registered over %s while it requires registration',
  async (protocol) => {
    const sidecar = await startEmbedded({
      env: { ...outsideStores(await startRedis(), mariadb), ...QUICK },
    });
    const { host, port } = kamailio;
    const columns = { register_sip_realm: REALM, register_public_ip_in_contact: 1 };
    const before = Date.now();
    const carrier = await insertCarrier(mariadb, columns, { ipv4: host, port, protocol });
    const [gateway = ''] = carrier.gateways;

    const registered = await trunk(sidecar, gateway, 'registered');
    expect(registered).toMatchObject({ lastReason: '200 OK', failures: 0, transport: protocol });
    const [contact] = await contactsOf(kamailio, 'line', 1);
    expect(contact).toMatchObject({
      contact: `sip:line@127.0.0.1:${sidecar.sip.port};transport=${protocol}`,
      callId: gateway,
      cseq: registered.cseq,
    });
    // The granted expiry counts, not the requested one.
    expect(contact?.expires).toBeLessThanOrEqual(600);
    expect(registered.expiresAt).toBeGreaterThanOrEqual(before + 600_000);
    expect(registered.expiresAt).toBeLessThanOrEqual(Date.now() + 600_000);
    await carrier.hasStatus({ status: 'ok', reason: '200 OK', callId: gateway, expires: 600 });

    await carrier.set({ requires_register: 0 });
    await contactsOf(kamailio, 'line', 0);
    await noTrunk(sidecar, gateway);
    await carrier.hasStatus({ status: 'fail', reason: 'registration switched off' });

    await carrier.set({ requires_register: 1 });
    await refresh(sidecar);
    const [again] = await contactsOf(kamailio, 'line', 1);
    expect(again).toMatchObject({ callId: gateway });
    expect(again?.cseq).toBeGreaterThan(registered.cseq);
    await carrier.remove();
    await refresh(sidecar);
    await contactsOf(kamailio, 'line', 0);
    expect(await sidecar.stop()).toBe(0);
  },
);

describe.each([1, 10])(
  'at a carrier with room for %d contacts, a new lease holder with another address',
  (maxContacts) => {
    test.each(['SIGKILL', 'SIGTERM'] as const)('takes the place of the one that ended by %s', async (signal) => {
      const [own, redis] = await Promise.all([
        startKamailio({ realm: REALM, users: { line: CARRIER_PASSWORD }, maxContacts }),
        startRedis(),
      ]);
      const { host, port } = own;
      const carrier = await insertCarrier(mariadb, { register_sip_realm: REALM }, { ipv4: host, port });
      const [gateway = ''] = carrier.gateways;
      const env = { ...outsideStores(redis, mariadb), ...QUICK, JAMBONES_REGBOT_CONTACT_USE_IP: '1' };
      const first = await startEmbedded({ env });
      await trunk(first, gateway, 'registered');
      const second = await startEmbedded({ env });
      const contactOf = ({ sip }: typeof first) => `sip:line@127.0.0.1:${sip.port};transport=udp`;
      expect(await contactsOf(own, 'line', 1)).toMatchObject([{ contact: contactOf(first) }]);

      first.process.kill(signal);
      await trunk(second, gateway, 'registered', 30_000);
      expect(await own.contacts()).toMatchObject([{ contact: contactOf(second), callId: gateway }]);
      await carrier.remove();
      await refresh(second);
      await contactsOf(own, 'line', 0);
      await eventually('no contact of ours at a carrier', async () => {
        const held = await redis.client.hlen('sidecar:default:trunk-contacts');
        return held === 0 || undefined;
      });
      expect(await second.stop()).toBe(0);
    });
  },
);

test('a carrier with room for one contact takes another address, realm and user in their turn', async () => {
  const own = await startKamailio({
    realm: REALM,
    users: { line: CARRIER_PASSWORD, other: CARRIER_PASSWORD },
    maxContacts: 1,
  });
  const { host, port } = own;
  const sidecar = await startEmbedded({ env: { ...outsideStores(await startRedis(), mariadb), ...QUICK } });
  const carrier = await insertCarrier(mariadb, { register_sip_realm: REALM }, { ipv4: host, port });
  expect(await contactsOf(own, 'line', 1)).toMatchObject([{ contact: `sip:line@${REALM};transport=udp` }]);
  await carrier.set({ register_public_ip_in_contact: 1 });
  await eventually('another Contact', async () => {
    const contacts = await own.contacts();
    return contacts[0]?.contact === `sip:line@127.0.0.1:${sidecar.sip.port};transport=udp` && contacts.length === 1
      ? true
      : undefined;
  });
  await carrier.set({ register_username: 'other' });
  await contactsOf(own, 'other', 1);
  await contactsOf(own, 'line', 0);
  await carrier.hasStatus({ status: 'ok' });
  await carrier.set({ register_password: null });
  await contactsOf(own, 'other', 0);
  await carrier.hasStatus({ status: 'fail', reason: 'it has no password' });
  await carrier.set({ register_password: CARRIER_PASSWORD, is_active: 0 });
  await carrier.set({ is_active: 1 });
  await carrier.hasStatus({ status: 'ok' });
  await carrier.set({ is_active: 0 });
  await carrier.hasStatus({ status: 'fail', reason: 'registration switched off' });
  await carrier.remove();
  expect(await sidecar.stop()).toBe(0);
});

test('a carrier that asks for SHA-256 has us, not before the password is right', async () => {
  const carrier = await startKamailio({ realm: REALM, users: { line: CARRIER_PASSWORD }, algorithm: 'SHA-256' });
  const sidecar = await startEmbedded({ env: { ...outsideStores(await startRedis(), mariadb), ...QUICK } });
  await leading(sidecar);
  const columns = { register_sip_realm: REALM, register_password: 'a wrong guess' };
  const { gateway, ...row } = await insertCarrierAt(sidecar, mariadb, carrier, columns);
  expect((await trunk(sidecar, gateway, 'failing')).lastReason).toBe('401 Unauthorized, credentials refused');
  await row.set({ register_password: CARRIER_PASSWORD });
  await refresh(sidecar);
  await trunk(sidecar, gateway, 'registered');
  await contactsOf(carrier, 'line', 1);
  await row.hasStatus({ status: 'ok', reason: '200 OK', expires: 600 });
  await row.remove();
  await refresh(sidecar);
  await contactsOf(carrier, 'line', 0);
  expect(await sidecar.stop()).toBe(0);
});

test('a provisioned carrier is un-registered when it is inactive or gone from the file', async () => {
  const carrier = `
[[carrier]]
name = "Kamailio"
register = { username = "other", password = "word-of-another", realm = "${REALM}" }
[[carrier.gateway]]
host = "${kamailio.host}"
port = ${kamailio.port}
`;
  const path = await fileWith('p.toml', carrier);
  // An hour, so that only a reload applies changes.
  const env = { ...QUICK, JAMBONES_REGBOT_REFRESH_SECONDS: '3600' };
  const sidecar = await startEmbedded({ args: ['--provision', path], env });
  await contactsOf(kamailio, 'other', 1);
  await Bun.write(path, carrier.replace('name =', 'active = false\nname ='));
  sidecar.process.kill('SIGHUP');
  await contactsOf(kamailio, 'other', 0);
  await Bun.write(path, carrier);
  sidecar.process.kill('SIGHUP');
  await contactsOf(kamailio, 'other', 1);
  await Bun.write(path, '[[carrier]]\nname = "Another"\n');
  sidecar.process.kill('SIGHUP');
  await contactsOf(kamailio, 'other', 0);
  expect(await sidecar.stop()).toBe(0);
});
