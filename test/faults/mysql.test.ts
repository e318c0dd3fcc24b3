import { afterAll, describe, expect, test } from 'bun:test';
import type { RowDataPacket } from 'mysql2/promise';
import { CachedDirectory } from '../../src/adapters/cached/directory.ts';
import { SqlCarriers } from '../../src/adapters/sql/carriers.ts';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';
import { SqlDirectory } from '../../src/adapters/sql/directory.ts';
import { MysqlSbcAddresses } from '../../src/adapters/sql/sbc-addresses.ts';
import { AddressAnnouncer } from '../../src/addresses/announcer.ts';
import { GatewayPinger } from '../../src/gateways/pinger.ts';
import { backgroundFailures } from '../../src/lib/background.ts';
import { NO_EVENTS } from '../../src/ports/events.ts';
import type { OutboundRequest } from '../../src/ports/sip-server.ts';
import { Fleet } from '../../src/regbot/fleet.ts';
import { response } from '../regbot/support.ts';
import { insertCarrier } from '../support/carriers.ts';
import { openCore } from '../support/core.ts';
import { eventually } from '../support/eventually.ts';
import { MYSQL_ERRORS } from '../support/faults.ts';
import { openDatabase } from '../support/mariadb.ts';
import { openMysqlOf } from '../support/mysql.ts';
import { MysqlProxy } from '../support/mysql-proxy.ts';
import { Phone, pipeline } from '../support/phone.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { sqlServer } from '../support/sql-server.ts';

const SECOND = 1000;
const WORK = [
  'announcing of public addresses',
  'disabling of a carrier',
  'reading of carriers',
  'saving of register_status',
  'switching off of OPTIONS pings',
];

const ENCRYPTION_SECRET = 'key of the passwords';

const mariadb = await openDatabase();
const proxy = await MysqlProxy.start(mariadb);
const { pool, db } = openMysqlOf({ ...mariadb, ...proxy.address });
afterAll(async () => {
  proxy.fault = undefined;
  await pool.promise().end();
  await proxy.stop();
});

async function newUser() {
  const realm = `${crypto.randomUUID()}.example.com`;
  const accountSid = await insertAccount(mariadb, { realm });
  await insertClient(mariadb, { accountSid, username: 'alice', password: 'wonderland', secret: ENCRYPTION_SECRET });
  return realm;
}

/** Everything in a sidecar that asks MySQL, by way of the proxy; time is manual, carriers answer as `refusing` says. */
async function start() {
  const core = openCore();
  const { clock, logger } = core;
  const cipher = new ClientPasswordCipher(ENCRYPTION_SECRET, false);
  const directory = new CachedDirectory(
    new SqlDirectory(sqlServer(db, 'MySQL'), 10_000, cipher, clock, logger),
    { refreshMs: 30 * SECOND, staleMs: 3600 * SECOND },
    clock,
    logger,
  );
  const refusing = { hosts: new Set<string>() };
  const sip = {
    hostports: 'udp/203.0.113.7:5060',
    canReach: () => true,
    request: async ({ nextHop }: OutboundRequest) => response(refusing.hosts.has(nextHop.address) ? 403 : 200),
  };
  const common = {
    sip,
    timers: clock,
    logger,
    random: () => 0.5,
    alerts: { raise: () => {} },
    nextHops: { resolve: async (address: string) => [{ address, port: 5060, transport: 'udp' as const }] },
  };
  const carriers = new SqlCarriers(sqlServer(db, 'MySQL'), sqlServer(db, 'MySQL'), logger);
  const pinger = new GatewayPinger({
    ...common,
    carriers,
    blacklist: { add: async () => {}, remove: async () => {} },
    userAgent: 'test',
    intervalSeconds: 10,
    failureThreshold: 1,
    ttlSeconds: 300,
    removeCodes: [403],
  });
  const fleet = new Fleet({
    events: NO_EVENTS,
    ...common,
    directory: {
      read: async () => {
        const read = await carriers.read();
        pinger.update(read.pinged);
        return read;
      },
      saveRegisterStatus: (...all) => carriers.saveRegisterStatus(...all),
      disableRegistration: (...all) => carriers.disableRegistration(...all),
      disablePing: (sid) => carriers.disablePing(sid),
    },
    ephemeral: { set: async () => {}, remove: async () => {} },
    contacts: { read: async () => new Map(), save: async () => {}, remove: async () => {} },
    settings: {
      defaultExpires: 60,
      minExpires: 30,
      contactUseIp: false,
      userAgent: '',
      failureRetrySeconds: 300,
      failureThreshold: 1,
      removeCodes: [403],
      batchSize: 10,
      batchSleepMs: 250,
      refreshSeconds: 10,
    },
    mayAct: () => true,
  });
  const announcer = new AddressAnnouncer({
    timers: clock,
    logger,
    addresses: new MysqlSbcAddresses(sqlServer(db, 'MySQL')),
    hostports: () => sip.hostports,
    keepAliveMs: 10 * SECOND,
    deadSeconds: 3600,
  });
  return {
    clock,
    logger,
    refusing,
    register: (realm: string) =>
      new Phone(pipeline({ ...core.rules, directory }), 'alice', 'wonderland', realm).register(),
    begin() {
      fleet.gained();
      pinger.start();
      void announcer.connected();
    },
    /** Lets time pass until it holds. */
    until: (what: string, holds: () => Promise<boolean> | boolean) =>
      eventually(
        what,
        async () => {
          clock.advance(SECOND);
          return (await holds()) || undefined;
        },
        { describe: () => [logger.lines.slice(-5), [...backgroundFailures(logger)]] },
      ),
    async stop() {
      fleet.lost();
      pinger.stop();
      await announcer.stop();
    },
  };
}

async function one(query: string, value?: string): Promise<RowDataPacket | undefined> {
  return (await mariadb.pool.query<RowDataPacket[]>(query, [value]))[0][0];
}

describe.each(MYSQL_ERRORS)('the error $code', (fault) => {
  test('is answered 503 where no row is at hand, and work goes on afterwards', async () => {
    const [refused, granted] = await Promise.all([
      insertCarrier(mariadb, {}, { ipv4: '192.0.2.1', port: 5060, send_options_ping: 1 }),
      insertCarrier(mariadb, {}, { ipv4: '192.0.2.2', port: 5060 }),
    ]);
    await mariadb.pool.query('DELETE FROM sbc_addresses');
    const [known, unknown] = [await newUser(), await newUser()];
    const sidecar = await start();
    const { clock, logger, refusing, register, until } = sidecar;
    try {
      expect((await register(known)).status).toBe(200);
      sidecar.begin();
      await until('registered', async () => (await refused.status())?.status === 'ok');
      await until('announced', async () => (await one('SELECT * FROM sbc_addresses')) !== undefined);

      proxy.fault = fault;
      refusing.hosts.add('192.0.2.1');
      const failed = () => [...backgroundFailures(logger).keys()].toSorted();
      await until('all failed', () => WORK.every((name) => failed().includes(name)));
      expect(failed()).toEqual(WORK);
      expect((await register(unknown)).status).toBe(503);
      expect((await register(known)).status).toBe(200);

      proxy.fault = undefined;
      await mariadb.pool.query('DELETE FROM sbc_addresses');
      const since = clock.now();
      await until('registered again', async () => (await register(unknown)).status === 200);
      await until('disabled', async () => (await refused.row()).requires_register === 0);
      const [gateway = ''] = refused.gateways;
      const pings = async () =>
        await one('SELECT send_options_ping p FROM sip_gateways WHERE sip_gateway_sid = ?', gateway);
      await until('pings off', async () => (await pings())?.p === 0);
      await until('announced again', async () => (await one('SELECT * FROM sbc_addresses')) !== undefined);
      await until('status', async () => Date.parse((await granted.status())?.timestamp ?? '') > since);
    } finally {
      proxy.fault = undefined;
      await sidecar.stop();
      await Promise.all([refused.remove(), granted.remove()]);
    }
  });
});

describe('nonsense', () => {
  const packet = (sequence: number, ...body: number[]) => [body.length & 0xff, body.length >> 8, 0, sequence, ...body];
  const OK = [0, 0, 0, 2, 0, 0, 0];
  test.each([
    ['an OK in place of rows', packet(1, ...OK)],
    ['an end of rows in place of rows', packet(1, 0xfe, 0, 0, 2, 0)],
    ['an empty packet', packet(1)],
    ['two answers', [...packet(1, ...OK), ...packet(1, ...OK)]],
    ['an error without a text', packet(1, 0xff, 0x10)],
    ['a request for a local file', packet(1, 0xfb, 0x2f, 0x61)],
  ])('such as %s is answered 503 or as if there were no row, and all is well afterwards', async (_, bytes) => {
    const unknown = await newUser();
    const sidecar = await start();
    try {
      proxy.nonsense = Buffer.from(bytes);
      sidecar.begin();
      expect([403, 503]).toContain((await sidecar.register(unknown)).status);
      proxy.nonsense = undefined;
      await sidecar.until('registered', async () => (await sidecar.register(unknown)).status === 200);
    } finally {
      proxy.nonsense = undefined;
      await sidecar.stop();
    }
  });
});
