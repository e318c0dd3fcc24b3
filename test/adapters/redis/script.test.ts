import { expect, test } from 'bun:test';
import { Script } from '../../../src/adapters/redis/script.ts';
import { sharedRedis } from '../../support/redis.ts';

const { client: redis } = await sharedRedis();

test('a script runs once each time, also when it is not loaded yet or fails', async () => {
  const key = crypto.randomUUID();
  const script = new Script(`
    -- ${key}
    local count = redis.call('INCR', KEYS[1])
    if ARGV[1] == 'fail' then return redis.error_reply('BROKEN') end
    return count
  `);
  expect(await script.run(redis, [key], ['succeed'])).toBe(1);
  expect(await script.run(redis, [key], ['succeed'])).toBe(2);
  await expect(script.run(redis, [key], ['fail'])).rejects.toThrow('BROKEN');
  expect(await redis.get(key)).toBe('3');
});
