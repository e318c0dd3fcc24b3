import { describe, expect, test } from 'bun:test';
import { openDatabase } from '../support/mariadb.ts';
import { registerOnce } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { startRelay } from '../support/tcp-relay.ts';
import { complaints, DEADLINE_MS, health, isLoggedOnce, newUser, UP } from './health.ts';
import { insertCarrierAt, leading, QUICK, trunk } from './outbound.ts';
import { outsideStores, startEmbedded } from './sidecar.ts';

const mysql = await openDatabase();
const ALL_UP = { ...UP, 'database writer': 'up' };

/** A sidecar that reads one MySQL server and writes another; both have the same database. */
async function start({ writerIsUp = true } = {}) {
  const redis = await startRedis();
  const [reader, writer] = await Promise.all([startRelay(mysql), startRelay(mysql)]);
  if (!writerIsUp) await writer.cut();
  const sidecar = await startEmbedded({
    env: {
      ...outsideStores(redis, { ...mysql, host: reader.host, port: reader.port }),
      ...QUICK,
      JAMBONES_MYSQL_WRITE_HOST: writer.host,
      JAMBONES_MYSQL_WRITE_PORT: String(writer.port),
      JAMBONES_MYSQL_WRITE_USER: mysql.user,
      JAMBONES_MYSQL_WRITE_PASSWORD: mysql.password,
      JAMBONES_MYSQL_WRITE_DATABASE: mysql.database,
      JAMBONES_MYSQL_REFRESH_TTL: '0',
    },
  });
  const [alice, bob] = await Promise.all([newUser(mysql), newUser(mysql)]);
  expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
  return { sidecar, reader, writer, alice, bob };
}

describe('MySQL with a writer apart from the reader', () => {
  test.each([
    ['away', true],
    ['away at the start', false],
  ])('writer %s: phones are served, and statuses of carriers are saved when it is back', async (_, writerIsUp) => {
    const { sidecar, writer, bob } = await start({ writerIsUp });
    const { process } = sidecar;
    if (writerIsUp) {
      expect(await health(sidecar)).toEqual(ALL_UP);
      await writer.cut();
    }
    await leading(sidecar);
    const registrar = await SipPeer.start(() => ({ status: 200 }));
    const carrier = await insertCarrierAt(sidecar, mysql, registrar);
    await trunk(sidecar, carrier.gateway, 'registered');
    await process.line(/MySQL writer does not answer/, DEADLINE_MS);
    expect(await health(sidecar)).toEqual({ ...UP, 'database writer': writerIsUp ? 'down' : 'unknown' });
    expect((await registerOnce(sidecar.sip, bob)).status).toBe(200);
    expect(await carrier.status()).toBeUndefined();
    await writer.mend();
    await process.line(/MySQL writer answers again/, DEADLINE_MS);
    await carrier.hasStatus({ status: 'ok' });
    expect(await health(sidecar)).toEqual(ALL_UP);
    isLoggedOnce('MySQL writer does not answer', complaints(process, 0, /MySQL/));
    await carrier.remove();
    expect(await sidecar.stop()).toBe(0);
  });

  test('reader away: degraded, cached accounts are served', async () => {
    const { sidecar, reader, alice, bob } = await start();
    const { process } = sidecar;
    const from = process.lines.length;
    await reader.cut();
    expect((await registerOnce(sidecar.sip, alice)).status).toBe(200);
    await process.line(/MySQL does not answer/, DEADLINE_MS, from);
    expect(await health(sidecar)).toEqual({ ...ALL_UP, readiness: 'degraded', database: 'down' });
    expect((await registerOnce(sidecar.sip, bob)).status).toBe(503);
    await reader.mend();
    await process.line(/MySQL answers again/, DEADLINE_MS, from);
    expect((await registerOnce(sidecar.sip, bob)).status).toBe(200);
    expect(await health(sidecar)).toEqual(ALL_UP);
    expect(await sidecar.stop()).toBe(0);
  });
});
