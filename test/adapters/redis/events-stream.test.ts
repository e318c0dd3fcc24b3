import { expect, test } from 'bun:test';
import { RedisEventsStream } from '../../../src/adapters/redis/events-stream.ts';
import { QueryFault } from '../../../src/ports/errors.ts';
import { registered } from '../../events/support.ts';
import { sharedRedis } from '../../support/redis.ts';

const { client: redis } = await sharedRedis();

function start() {
  const key = `events:${crypto.randomUUID()}`;
  return { key, stream: new RedisEventsStream(redis, key, 'sbc-1/7') };
}

test('an entry has the event as JSON, and who, what and where as plain fields', async () => {
  const { key, stream } = start();
  const online = { id: 1, at: 5, ...registered('john@example.com', { userAgent: 'a "phone" ü' }) };
  const drained = { id: 2, at: 6, type: 'drained', server: '10.0.0.1' } as const;
  await stream.append([online, drained]);
  expect((await redis.xrange(key, '-', '+')).map(([, fields]) => fields)).toEqual([
    [
      ...['event', JSON.stringify(online), 'type', 'registered', 'sidecar', 'sbc-1/7'],
      ...['aor', 'john@example.com', 'presence', 'online'],
    ],
    ['event', JSON.stringify(drained), 'type', 'drained', 'sidecar', 'sbc-1/7'],
  ]);
});

test('the stream keeps about the last 10 000 events', async () => {
  const { key, stream } = start();
  for (let i = 0; i < 12_000; i += 1000)
    await stream.append(Array.from({ length: 1000 }, (_, j) => ({ id: i + j, at: 1, ...registered('a@x') })));
  expect(await redis.xlen(key)).toBeWithin(10_000, 10_500);
  const [last] = await redis.xrevrange(key, '+', '-', 'COUNT', 1);
  expect(JSON.parse(last?.[1][1] ?? '')).toMatchObject({ id: 11_999 });
});

test('a key that is no stream is a fault', async () => {
  const { key, stream } = start();
  await redis.set(key, 'text');
  await expect(stream.append([{ id: 1, at: 1, ...registered('a@x') }])).rejects.toBeInstanceOf(QueryFault);
});
