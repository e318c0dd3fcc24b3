import { expect, test } from 'bun:test';
import { type Lookup, LookupCache, type LookupCacheOptions } from '../../src/lib/lookup-cache.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { ManualTimers } from '../support/timers.ts';

const FRESH_MS = 30_000;
const STALE_MS = 3_600_000;
const DOWN = new Unavailable('source', 'gone');

const known = (value: string): Lookup<string> => ({ value, found: true, freshMs: FRESH_MS, staleMs: STALE_MS });
const UNKNOWN: Lookup<string> = { value: 'none', found: false, freshMs: FRESH_MS, staleMs: 0 };

function start(options: Partial<LookupCacheOptions<string>> = {}) {
  const clock = new ManualTimers();
  const cache = new LookupCache<string>(clock, { service: 'source', maxNames: 10, maxUnknown: 10, ...options });
  return { clock, cache };
}

/** A lookup that the test answers. */
function pendingLookup() {
  const { promise, resolve, reject } = Promise.withResolvers<Lookup<string>>();
  const state = { calls: 0 };
  const lookUp = () => {
    state.calls++;
    return promise;
  };
  return { lookUp, resolve, reject, state };
}

const answers = (lookup: Lookup<string>) => async () => lookup;
const fails = (error: unknown) => () => Promise.reject(error);
const unexpected = () => Promise.reject(new Error('unexpected lookup'));

test('concurrent callers share one lookup and its value', async () => {
  const { cache } = start();
  const { lookUp, resolve, state } = pendingLookup();
  const callers = Array.from({ length: 100 }, () => cache.get('a', lookUp));
  const other = cache.get('b', answers(known('other')));
  resolve(known('one'));
  expect(new Set(await Promise.all(callers))).toEqual(new Set(['one']));
  expect(await other).toBe('other');
  expect(state.calls).toBe(1);
});

test('concurrent callers share an error, and the next caller looks up again', async () => {
  const { cache } = start();
  const { lookUp, reject, state } = pendingLookup();
  const callers = [cache.get('a', lookUp), cache.get('a', lookUp)];
  reject(DOWN);
  for (const end of await Promise.allSettled(callers)) expect(end).toMatchObject({ reason: DOWN });
  expect(state.calls).toBe(1);
  expect(await cache.get('a', answers(known('back')))).toBe('back');
});

test('concurrent callers share the stale value when the lookup fails', async () => {
  const { cache, clock } = start();
  await cache.get('a', answers(known('old')));
  clock.advance(FRESH_MS);
  const { lookUp, reject, state } = pendingLookup();
  const callers = [cache.get('a', lookUp), cache.get('a', lookUp)];
  reject(DOWN);
  expect(await Promise.all(callers)).toEqual(['old', 'old']);
  expect(state.calls).toBe(1);
});

test('a value is looked up again when it is no longer fresh', async () => {
  const { cache, clock } = start();
  await cache.get('a', answers(known('old')));
  clock.advance(FRESH_MS - 1);
  expect(await cache.get('a', unexpected)).toBe('old');
  clock.advance(1);
  expect(await cache.get('a', answers(known('new')))).toBe('new');
});

test('a stale value is served while the source is unavailable, until its time is up', async () => {
  const { cache, clock } = start();
  await cache.get('a', answers(known('old')));
  clock.advance(STALE_MS - 1);
  expect(await cache.get('a', fails(DOWN))).toBe('old');
  clock.advance(1);
  await expect(cache.get('a', fails(DOWN))).rejects.toBe(DOWN);
});

test('a value that goes out of date during its lookup is not served', async () => {
  const { cache, clock } = start();
  await cache.get('a', answers(known('old')));
  clock.advance(STALE_MS - 1);
  const { lookUp, reject } = pendingLookup();
  const caller = cache.get('a', lookUp);
  clock.advance(1);
  reject(DOWN);
  await expect(caller).rejects.toBe(DOWN);
});

test('a stale value is not served after any other error', async () => {
  const { cache, clock } = start();
  await cache.get('a', answers(known('old')));
  clock.advance(FRESH_MS);
  const fault = new TypeError('unforeseen');
  await expect(cache.get('a', fails(fault))).rejects.toBe(fault);
  expect(await cache.get('a', fails(DOWN))).toBe('old');
});

test('a name that has become unknown is no longer served', async () => {
  const { cache, clock } = start();
  await cache.get('a', answers(known('old')));
  clock.advance(FRESH_MS);
  expect(await cache.get('a', answers(UNKNOWN))).toBe('none');
  clock.advance(FRESH_MS);
  await expect(cache.get('a', fails(DOWN))).rejects.toBe(DOWN);
});

test('an unknown name that appears is served', async () => {
  const { cache, clock } = start();
  await cache.get('a', answers(UNKNOWN));
  expect(await cache.get('a', unexpected)).toBe('none');
  clock.advance(FRESH_MS);
  expect(await cache.get('a', answers(known('new')))).toBe('new');
  expect(await cache.get('a', unexpected)).toBe('new');
});

test('unknown names evict no known name, neither when asked nor when answered', async () => {
  const { cache } = start({ maxNames: 3, maxUnknown: 2 });
  for (const name of ['a', 'b', 'c']) await cache.get(name, answers(known(name)));
  for (let i = 0; i < 20; i++) await cache.get(`guess${i}`, answers(UNKNOWN));
  for (const name of ['a', 'b', 'c']) expect(await cache.get(name, unexpected)).toBe(name);
});

test('the least recently used name is evicted when there are too many', async () => {
  const { cache } = start({ maxNames: 2 });
  await cache.get('a', answers(known('a')));
  await cache.get('b', answers(known('b')));
  await cache.get('a', unexpected);
  await cache.get('c', answers(known('c')));
  expect(await cache.get('a', unexpected)).toBe('a');
  expect(await cache.get('b', answers(known('again')))).toBe('again');
});

test('lookups under way are bounded, and stale values are served beyond the bound', async () => {
  const { cache, clock } = start({ maxNames: 2 });
  await cache.get('a', answers(known('old')));
  clock.advance(FRESH_MS);
  const first = pendingLookup();
  const callers = [cache.get('b', first.lookUp), cache.get('c', first.lookUp)];
  await expect(cache.get('d', unexpected)).rejects.toThrow(Unavailable);
  expect(await cache.get('a', unexpected)).toBe('old');
  expect(await Promise.race([...callers, 'pending'])).toBe('pending');
  first.resolve(known('new'));
  expect(await Promise.all(callers)).toEqual(['new', 'new']);
  expect(await cache.get('d', answers(known('d')))).toBe('d');
});

test('clear() forgets known and unknown names', async () => {
  const { cache } = start();
  await cache.get('a', answers(known('old')));
  await cache.get('b', answers(UNKNOWN));
  cache.clear();
  expect(await cache.get('a', answers(known('new')))).toBe('new');
  expect(await cache.get('b', answers(known('new')))).toBe('new');
});

test('a lookup under way at clear() answers its callers, but not later ones', async () => {
  const { cache } = start();
  const before = pendingLookup();
  const early = cache.get('a', before.lookUp);
  cache.clear();
  const after = pendingLookup();
  const late = cache.get('a', after.lookUp);
  before.resolve(known('old'));
  expect(await early).toBe('old');
  // The end of the old lookup does not end the new one.
  const later = cache.get('a', unexpected);
  after.resolve(known('new'));
  expect(await Promise.all([late, later])).toEqual(['new', 'new']);
  expect(await cache.get('a', unexpected)).toBe('new');
});

test('a lookup under way at clear() brings no value back, however it ends', async () => {
  const { cache, clock } = start({ recheckMs: FRESH_MS });
  await cache.get('failing', answers(known('old')));
  clock.advance(FRESH_MS);
  const failing = pendingLookup();
  const answered = pendingLookup();
  const unknown = pendingLookup();
  const callers = [
    cache.get('failing', failing.lookUp),
    cache.get('answered', answered.lookUp),
    cache.get('unknown', unknown.lookUp),
  ];
  cache.clear();
  failing.reject(DOWN);
  answered.resolve(known('old'));
  unknown.resolve(UNKNOWN);
  expect(await Promise.all(callers)).toEqual(['old', 'old', 'none']);
  for (const name of ['failing', 'answered', 'unknown'])
    expect(await cache.get(name, answers(known('new')))).toBe('new');
});

test('after a failure the stale value is served without a lookup until the recheck', async () => {
  const { cache, clock } = start({ recheckMs: 1000 });
  await cache.get('a', answers(known('old')));
  clock.advance(FRESH_MS);
  await cache.get('a', fails(DOWN));
  clock.advance(999);
  expect(await cache.get('a', unexpected)).toBe('old');
  clock.advance(1);
  expect(await cache.get('a', answers(known('new')))).toBe('new');
});

test('an outage is reported once per name', async () => {
  const events: string[] = [];
  const { cache, clock } = start({
    onOutage: (name, error) => events.push(`${name} out: ${error.message}`),
  });
  await cache.get('a', answers(known('old')));
  for (let outage = 0; outage < 2; outage++) {
    clock.advance(FRESH_MS);
    await Promise.all([cache.get('a', fails(DOWN)), cache.get('a', fails(DOWN))]);
    await cache.get('a', fails(DOWN));
    await cache.get('a', answers(known('new')));
    clock.advance(FRESH_MS);
    await cache.get('a', answers(known('new')));
  }
  expect(events).toEqual(['a out: source: gone', 'a out: source: gone']);
});

test('when patience ends the stale value is served, and the lookup goes on', async () => {
  let pending: Promise<string> | undefined;
  const { cache, clock } = start({
    recheckMs: 1000,
    patience: (lookup) => {
      pending = lookup;
      return Promise.reject(DOWN);
    },
  });
  await cache.get('a', answers(known('old')));
  clock.advance(FRESH_MS);
  const { lookUp, resolve } = pendingLookup();
  expect(await cache.get('a', lookUp)).toBe('old');
  resolve(known('new'));
  expect(await pending).toBe('new');
  expect(await cache.get('a', unexpected)).toBe('new');
});

test('a caller without a stale value waits for the lookup, whatever the patience', async () => {
  const { cache } = start({ patience: () => Promise.reject(DOWN) });
  expect(await cache.get('a', answers(known('new')))).toBe('new');
});
