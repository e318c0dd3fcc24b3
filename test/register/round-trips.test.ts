import { afterAll, describe, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { openCore } from '../support/core.ts';
import { RecordingLogger } from '../support/logger.ts';
import { Phone, pipeline } from '../support/phone.ts';
import { sharedRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());

/** The commands that Redis gets from us while `work` runs, without those of scripts. */
async function commandsDuring(work: () => Promise<unknown>): Promise<string[]> {
  const opener = redis.duplicate();
  const monitor = await opener.monitor();
  const marker = crypto.randomUUID();
  const seen: string[] = [];
  const finished = Promise.withResolvers<void>();
  monitor.on('monitor', (_time: string, [command = '', ...args]: string[], source: string) => {
    if (args[0] === marker) finished.resolve();
    else if (source === `127.0.0.1:${redis.stream.localPort}`) seen.push(command);
  });
  await work();
  await redis.echo(marker);
  await finished.promise;
  monitor.disconnect();
  opener.disconnect();
  return seen;
}

function start(maxContacts: number) {
  const timers = new ManualTimers(Date.now());
  const location = new RedisLocationService(redis, timers, new RecordingLogger());
  const realm = `r${crypto.randomUUID()}.example.com`;
  const toml = `[[account]]\nrealm = "${realm}"\n[[account.client]]\nusername = "alice"\npassword = "wonderland"\n`;
  const core = openCore({ location, maxContacts }, toml);
  core.clock.advance(timers.now() - core.clock.now());
  return { core, phone: new Phone(pipeline(core.rules), 'alice', 'wonderland', realm) };
}

describe.each([
  [1, ['get']],
  [2, ['get', 'hvals']],
])('with %d Contact allowed', (maxContacts, read) => {
  test('a registration asks Redis twice, a refresh once', async () => {
    const { core, phone } = start(maxContacts);
    // Loads the script.
    await phone.register();
    core.clock.advance(1000);
    const contact = '<sip:alice@192.0.2.9>';
    expect(await commandsDuring(() => phone.register({ contact, callId: 'x' }))).toEqual([...read, 'evalsha']);
    expect(await commandsDuring(() => phone.send({ contact }))).toEqual(read);
  });
});
