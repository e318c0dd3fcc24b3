import { afterAll, expect, test } from 'bun:test';
import { RedisLocationService } from '../../src/adapters/redis/location.ts';
import { RedisRegistrations } from '../../src/adapters/redis/registrations.ts';
import { RecordingLogger } from '../support/logger.ts';
import { startRedis } from '../support/redis.ts';
import { ManualTimers } from '../support/timers.ts';
import { collect, registrationsContract } from './registrations.ts';

// Of its own, because it lists all that is in it.
const server = await startRedis();
const redis = server.client;
afterAll(() => server.stop());

async function open(timers: ManualTimers) {
  await redis.flushall();
  return {
    registrations: new RedisRegistrations(redis, timers),
    location: new RedisLocationService(redis, timers, new RecordingLogger()),
  };
}

registrationsContract('Redis', open);

test('bindings of an earlier jambonz sidecar are listed, with a realm in any case', async () => {
  const timers = new ManualTimers(Date.now());
  const { registrations } = await open(timers);
  const expiryTime = timers.now() + 600_000;
  const old = { contact: 'sip:old@192.0.2.8', protocol: 'udp', proxy: 'sip:192.0.2.8:5060', expiryTime };
  await redis.set('user:old@Sip.Example.COM', JSON.stringify(old), 'EX', 600);
  await redis.zadd('active-user', expiryTime, 'user:old@Sip.Example.COM');
  for (const filter of [{}, { realm: 'sip.example.com' }, { realm: 'example.com' }, { text: 'OLD@sip' }]) {
    const [registration] = await collect(registrations.batches(filter));
    expect(registration?.aor).toEqual({ user: 'old', realm: 'Sip.Example.COM' });
    expect(registration?.bindings).toMatchObject([{ contact: old.contact, callId: '', savedAt: 0 }]);
  }
});

test('what is no binding is left out: other members, and keys that are missing, malformed or of another type', async () => {
  const timers = new ManualTimers(Date.now());
  const { registrations } = await open(timers);
  const expiry = timers.now() + 600_000;
  for (const member of ['user:gone@a.example', 'user:junk@a.example', 'user:list@a.example', 'user:', 'nonsense', '@'])
    await redis.zadd('active-user', expiry, member);
  await redis.set('user:junk@a.example', '}{');
  await redis.rpush('user:list@a.example', 'x');
  expect(await collect(registrations.batches())).toEqual([]);
});

test('a user name may contain @, : and letters of any script', async () => {
  const timers = new ManualTimers(Date.now());
  const { registrations } = await open(timers);
  const expiryTime = timers.now() + 600_000;
  await redis.set('user:a:b@c ü@a.example', JSON.stringify({ contact: 'sip:x@192.0.2.8', expiryTime }));
  await redis.zadd('active-user', expiryTime, 'user:a:b@c ü@a.example');
  const [registration] = await collect(registrations.batches({ realm: 'a.example' }));
  expect(registration?.aor).toEqual({ user: 'a:b@c ü', realm: 'a.example' });
});
