import { expect, test } from 'bun:test';
import { eventually } from '../support/eventually.ts';
import { openDatabase } from '../support/mariadb.ts';
import { Phone } from '../support/phone.ts';
import { startRedis } from '../support/redis.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { cli, ENCRYPTION_SECRET, outsideStores, type RunningSidecar, startEmbedded } from './sidecar.ts';

const REALM = 'shared.example.com';
const PASSWORD = 'wonderland';
const PHONES = 32;
const TEST_MS = 60_000;

const registered = ({ process }: RunningSidecar) => process.lines.filter((line) => /REGISTER registered/.test(line));

test(
  'two sidecars on one port share the phones, and the other one serves all when one is killed',
  async () => {
    const [redis, mysql] = await Promise.all([startRedis(), openDatabase()]);
    const accountSid = await insertAccount(mysql, { realm: REALM });
    const users = Array.from({ length: PHONES }, (_, i) => `user-${i}`);
    for (const username of users)
      await insertClient(mysql, { accountSid, username, password: PASSWORD, secret: ENCRYPTION_SECRET });
    const env = { ...outsideStores(redis, mysql), SIDECAR_SHARE_PORTS: '1' };
    const one = await startEmbedded({ env });
    const other = await startEmbedded({ env, port: one.sip.port });

    const phones = await Promise.all(
      users.map((user) =>
        Phone.open(one.sip, { user, password: PASSWORD, realm: REALM }, 'udp', { retransmits: true }),
      ),
    );
    const register = () => Promise.all(phones.map(async (phone) => (await phone.register()).status));
    const all200 = phones.map(() => 200);
    expect(await register()).toEqual(all200);
    const logged = () => registered(one).length + registered(other).length;
    await eventually('a line for each phone', () => logged() === PHONES || undefined, { describe: logged });
    for (const sidecar of [one, other]) {
      expect(registered(sidecar).length).toBeGreaterThan(0);
      expect((await cli(sidecar, 'reg', 'count')).stdout).toContain(String(PHONES));
    }

    one.process.kill('SIGKILL');
    await one.process.exited;
    expect(await register()).toEqual(all200);
    expect(await other.stop()).toBe(0);
    for (const phone of phones) phone.close();
  },
  TEST_MS,
);
