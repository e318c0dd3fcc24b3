import { afterAll, expect, test } from 'bun:test';
import { Redis } from 'ioredis';
import { RedisGatewayBlacklist } from '../../src/adapters/redis/gateway-blacklist.ts';
import { systemClock } from '../../src/lib/timers.ts';
import { sharedRedis } from '../support/redis.ts';
import { gatewayBlacklistContract } from './gateway-blacklist.ts';

const server = await sharedRedis();
const redis = new Redis({ host: server.host, port: server.port, enableAutoPipelining: true });
afterAll(() => redis.disconnect());
const blacklist = new RedisGatewayBlacklist(redis);

gatewayBlacklistContract('Redis', blacklist, systemClock, async (sid) => {
  const expiry = await redis.pexpiretime(`blacklist-sip-gateway:${sid}`);
  return expiry === -2 ? undefined : expiry;
});

test('sets the key that call routing reads', async () => {
  const sid = crypto.randomUUID();
  await blacklist.add(sid, 300);
  expect(await redis.get(`blacklist-sip-gateway:${sid}`)).toBe('1');
});
