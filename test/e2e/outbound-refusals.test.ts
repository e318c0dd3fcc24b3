import { afterAll, describe, expect, test } from 'bun:test';
import { openDatabase } from '../support/mariadb.ts';
import { startRedis } from '../support/redis.ts';
import { type Script, SipPeer } from '../support/sip-peer.ts';
import { inTurn, notFound, ok, serviceUnavailable } from '../support/sip-registrar.ts';
import { insertCarrierAt, leading, noTrunk, QUICK, refresh, trunk } from './outbound.ts';
import { outsideStores, startEmbedded } from './sidecar.ts';

const mariadb = await openDatabase();
const sidecar = await startEmbedded({
  env: {
    ...outsideStores(await startRedis(), mariadb),
    ...QUICK,
    JAMBONES_REGBOT_FAILURE_RETRY_INTERVAL: '1',
    REGISTER_RESPONSE_REMOVE: '404,480',
    JAMBONES_REGBOT_REGISTER_FAILURE_THRESHOLD: '2',
  },
});
await leading(sidecar);
afterAll(async () => {
  expect(await sidecar.stop()).toBe(0);
});

const carrierAt = (peer: SipPeer, columns: Record<string, string | number> = {}) =>
  insertCarrierAt(sidecar, mariadb, peer, columns);

test('a registrar that is busy for two seconds has us after it', async () => {
  const peer = await SipPeer.start(inTurn(() => serviceUnavailable(2), ok));
  const carrier = await carrierAt(peer);
  const [first, second] = [await peer.next(), await peer.next()];
  // A timeout may come a fraction of a millisecond early.
  expect(second.arrivedAt - first.arrivedAt).toBeGreaterThanOrEqual(1999);
  expect(second.header('Call-ID')).toBe(first.header('Call-ID'));
  await trunk(sidecar, carrier.gateway, 'registered');
  await carrier.remove();
});

describe.concurrent('a registrar that refuses for good', () => {
  test.each([
    ['static_ip', { requires_register: 0, is_active: 1 }, 'Disabling Outbound Registration for carrier'],
    ['reg', { requires_register: 1, is_active: 0 }, 'Deactivating carrier'],
  ])('ends the registration of a trunk of type %s after two times', async (trunk_type, columns, message) => {
    const peer = await SipPeer.start(notFound);
    const carrier = await carrierAt(peer, { trunk_type, name: `refused ${trunk_type}` });
    const alert = await sidecar.process.line(
      new RegExp(`"alert":\\{[^}]*"message":"${message} refused ${trunk_type}`),
      30_000,
    );
    expect(alert.input).toContain(carrier.sid);
    expect(await carrier.row()).toMatchObject(columns);
    expect(peer.requests).toHaveLength(2);
    await noTrunk(sidecar, carrier.gateway);
    await carrier.hasStatus({ status: 'fail', reason: '404 Not Found' });

    // Enabled by somebody, it begins anew.
    peer.script = ok;
    await carrier.set({ requires_register: 1, is_active: 1 });
    await refresh(sidecar);
    await trunk(sidecar, carrier.gateway, 'registered');
    await carrier.remove();
  });

  test('only when it does so in a row, and with the codes that were named', async () => {
    const says =
      (status: number): Script =>
      () => ({ status });
    const peer = await SipPeer.start(inTurn(says(404), says(403), says(480), says(200)));
    const carrier = await carrierAt(peer);
    await trunk(sidecar, carrier.gateway, 'registered');
    expect(peer.requests).toHaveLength(4);
    expect(await carrier.row()).toMatchObject({ requires_register: 1 });
    await carrier.remove();
  });
});
