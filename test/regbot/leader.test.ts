import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Timer, Timers } from '../../src/lib/timers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { Lease } from '../../src/ports/lease.ts';
import { Leader } from '../../src/regbot/leader.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

const LENGTH = 30_000;

/** What a lease in Redis is: a key with an expiry. */
class Store {
  held: { token: string; until: number } | undefined;
  constructor(private readonly timers: ManualTimers) {}

  get holder(): string | undefined {
    return this.held && this.held.until > this.timers.monotonic() ? this.held.token : undefined;
  }
  take(token: string, lengthMs: number): boolean {
    if (this.holder !== undefined) return false;
    this.held = { token, until: this.timers.monotonic() + lengthMs };
    return true;
  }
  renew(token: string, lengthMs: number): boolean {
    if (this.holder !== token) return false;
    this.held = { token, until: this.timers.monotonic() + lengthMs };
    return true;
  }
  release(token: string): void {
    if (this.holder === token) this.held = undefined;
  }
}

/** How a question to the store fares; milliseconds there and back. */
interface Passage {
  readonly there: number;
  readonly back: number;
  readonly fate: 'ok' | 'lost on the way' | 'answer lost' | 'never settles';
}
const QUICK: Passage = { there: 1, back: 1, fate: 'ok' };

/** One sidecar's way to the store. */
class Wire implements Lease {
  passage: () => Passage = () => QUICK;
  asked = 0;
  constructor(
    private readonly store: Store,
    private readonly timers: ManualTimers,
  ) {}

  take = (token: string, lengthMs: number) => this.#ask(() => this.store.take(token, lengthMs));
  renew = (token: string, lengthMs: number) => this.#ask(() => this.store.renew(token, lengthMs));
  release = (token: string) => this.#ask(() => this.store.release(token));
  holder = () => this.#ask(() => this.store.holder);

  #ask<T>(question: () => T): Promise<T> {
    this.asked++;
    const { there, back, fate } = this.passage();
    return new Promise((resolve, reject) => {
      this.timers.after(there, () => {
        const value = fate === 'lost on the way' ? undefined : { value: question() };
        if (fate === 'never settles') return;
        this.timers.after(back, () => {
          if (value && fate === 'ok') resolve(value.value);
          else reject(new Unavailable('Redis', fate));
        });
      });
    });
  }
}

/** A process's timers, which do not run while it is stopped (SIGSTOP); time goes on. */
class ProcessTimers implements Timers {
  #frozen: (() => void)[] | undefined;
  constructor(private readonly world: ManualTimers) {}
  now = () => this.world.now();
  monotonic = () => this.world.monotonic();
  after(ms: number, callback: () => void): Timer {
    let cancelled = false;
    const timer = this.world.after(ms, () => {
      if (this.#frozen) this.#frozen.push(() => cancelled || callback());
      else callback();
    });
    return {
      cancel: () => {
        cancelled = true;
        timer.cancel();
      },
    };
  }
  freeze(): void {
    this.#frozen ??= [];
  }
  thaw(): void {
    const due = this.#frozen ?? [];
    this.#frozen = undefined;
    for (const callback of due) callback();
  }
  get frozen(): boolean {
    return this.#frozen !== undefined;
  }
}

function makeSidecar(token: string, store: Store, world: ManualTimers, random = () => 0.5) {
  const timers = new ProcessTimers(world);
  const wire = new Wire(store, world);
  const log: [string, number][] = [];
  const leader = new Leader({ lease: wire, lengthMs: LENGTH, timers, random, logger: new RecordingLogger(), token });
  leader.add({
    gained: () => log.push(['gained', world.monotonic()]),
    lost: () => log.push(['lost', world.monotonic()]),
  });
  return { leader, wire, timers, log };
}

function makePair(random?: () => number) {
  const world = new ManualTimers();
  const store = new Store(world);
  return { world, store, a: makeSidecar('a', store, world, random), b: makeSidecar('b', store, world, random) };
}

/** The first of the two, leading. */
async function ledByA(random?: () => number) {
  const pair = makePair(random);
  pair.a.leader.start();
  await pair.world.advanceAsync(2000);
  pair.b.leader.start();
  await pair.world.advanceAsync(2000);
  expect([pair.a.leader.mayAct(), pair.b.leader.mayAct()]).toEqual([true, false]);
  return pair;
}

/** Milliseconds until that one leads. */
async function takeover(world: ManualTimers, { leader }: { leader: Leader }): Promise<number> {
  const start = world.monotonic();
  while (!leader.mayAct()) {
    await world.advanceAsync(50);
    if (world.monotonic() - start > 120_000) throw new Error('no takeover');
  }
  return world.monotonic() - start;
}

describe('the lease', () => {
  test('is kept by whoever has it, renewed every third of it', async () => {
    const { world, store, a, b } = await ledByA();
    const renewals: number[] = [];
    for (let until = store.held?.until; world.monotonic() < 600_000; await world.advanceAsync(100)) {
      if (store.held?.until !== until) renewals.push(world.monotonic());
      until = store.held?.until;
    }
    const gaps = renewals.slice(1).map((at, i) => at - (renewals[i] ?? 0));
    expect(gaps.every((gap) => gap >= 9900 && gap <= 10_600)).toBe(true);
    expect(a.log.map(([what]) => what)).toEqual(['gained']);
    expect(b.log).toEqual([]);
  });

  test.each([0, 0.999])('after a clean stop goes to another one within 2 s', async (jitter) => {
    const { world, a, b } = await ledByA(() => jitter);
    await Promise.all([a.leader.stop(), world.advanceAsync(10)]);
    expect(a.log.map(([what]) => what)).toEqual(['gained', 'lost']);
    expect(await takeover(world, b)).toBeLessThan(2000);
  });

  test('after a crash goes to another one within its length and 5 s', async () => {
    const { world, a, b } = await ledByA();
    a.timers.freeze();
    expect(await takeover(world, b)).toBeLessThan(LENGTH + 5000);
  });

  test('that cannot be renewed is given up before it can have expired, and taken again later', async () => {
    const { world, store, a } = await ledByA();
    a.wire.passage = () => ({ ...QUICK, fate: 'never settles' });
    const kept = store.held;
    store.renew = () => false;
    await world.advanceAsync(40_000);
    const lost = a.log[1];
    expect(lost?.[0]).toBe('lost');
    expect(lost?.[1]).toBeLessThan((kept?.until ?? 0) - 2000);
    expect(lost?.[1]).toBeGreaterThan((kept?.until ?? 0) - 4000);
  });

  test('counts from before the question, however long the answer took', async () => {
    const { world, store, a } = await ledByA();
    const applied = store.held?.until;
    a.wire.passage = () => ({ there: 0, back: 4900, fate: 'ok' });
    while (store.held?.until === applied) await world.advanceAsync(100);
    await world.advanceAsync(4900);
    a.wire.passage = () => ({ ...QUICK, fate: 'lost on the way' });
    await world.advanceAsync((store.held?.until ?? 0) - world.monotonic() - 1000);
    expect(a.leader.mayAct()).toBe(false);
  });

  test('outlives an outage of the store that is shorter', async () => {
    const { world, a } = await ledByA();
    a.wire.passage = () => ({ ...QUICK, fate: 'lost on the way' });
    await world.advanceAsync(15_000);
    a.wire.passage = () => QUICK;
    await world.advanceAsync(60_000);
    expect(a.log.map(([what]) => what)).toEqual(['gained']);
  });

  test('is known to be over by a process that slept, before its first timer runs', async () => {
    const { world, a, b } = await ledByA();
    a.timers.freeze();
    await world.advanceAsync(60_000);
    expect(a.leader.mayAct()).toBe(false);
    a.timers.thaw();
    expect(a.log.map(([what]) => what)).toEqual(['gained', 'lost']);
    await world.advanceAsync(5000);
    expect([a.leader.mayAct(), b.leader.mayAct()]).toEqual([false, true]);
  });

  test('is over when the wall clock says so, as on a machine that was paused', async () => {
    const { world, a } = await ledByA();
    world.skew = 60_000;
    expect(a.leader.mayAct()).toBe(false);
    expect(await takeover(world, a)).toBeLessThan(2000);
    world.skew = 0;
    await world.advanceAsync(LENGTH);
    expect(a.leader.mayAct()).toBe(true);
  });

  test('whose taking was confirmed too late is ours all the same, once that is known', async () => {
    const { world, store, a } = makePair();
    const passages: Passage[] = [{ ...QUICK, fate: 'answer lost' }];
    a.wire.passage = () => passages.shift() ?? QUICK;
    a.leader.start();
    expect(await takeover(world, a)).toBeLessThan(5000);
    expect(store.holder).toBe('a');
  });

  test('that the store forgot: the holder stands down before anybody else acts, and everything starts again', async () => {
    const { world, store, a, b } = await ledByA();
    store.held = undefined;
    let led = 0;
    for (let ms = 0; ms < 5000; ms += 5) {
      await world.advanceAsync(5);
      const acting = [a, b].filter(({ leader }) => leader.mayAct()).length;
      expect(acting).toBeLessThan(2);
      led += acting;
    }
    expect(led).toBeGreaterThan(400);
    expect(a.log.map(([what]) => what).slice(0, 2)).toEqual(['gained', 'lost']);
  });

  test('is given back when the stop comes while it is being taken', async () => {
    const { world, store, a } = makePair();
    a.leader.start();
    await world.advanceAsync(100);
    expect(store.holder).toBe('a');
    await Promise.all([a.leader.stop(), world.advanceAsync(10)]);
    expect(store.holder).toBeUndefined();
    await world.advanceAsync(10_000);
    expect(a.log).toEqual([]);
    expect(world.pending).toBe(0);
  });

  test('is sought and kept again after a fault in asking the store', async () => {
    const { world, a, b } = await ledByA();
    await Promise.all([b.leader.stop(), world.advanceAsync(10)]);
    a.wire.passage = () => {
      throw new TypeError('a fault of ours');
    };
    await world.advanceAsync(LENGTH);
    expect(a.leader.mayAct()).toBe(false);
    a.wire.passage = () => QUICK;
    expect(await takeover(world, a)).toBeLessThan(5000);
    expect(a.log.map(([what]) => what)).toEqual(['gained', 'lost', 'gained']);
  });

  test('a stop does not wait for a store that is down', async () => {
    const { world, a } = await ledByA();
    a.wire.passage = () => ({ ...QUICK, fate: 'never settles' });
    const stopped = a.leader.stop();
    expect(a.leader.mayAct()).toBe(false);
    await world.advanceAsync(5000);
    await stopped;
  });
});

describe('two sidecars never both act', () => {
  type Sidecar = 'a' | 'b';
  type Step = { who: Sidecar; what: 'freeze' | 'thaw' | 'restart' | 'flush' | 'wait'; ms: number };
  const fate = fc.constantFrom<Passage['fate']>('ok', 'ok', 'ok', 'lost on the way', 'answer lost', 'never settles');

  /** Runs the steps, and looks every few milliseconds. @returns how often anybody could act */
  async function play(steps: readonly Step[], passages: readonly Passage[]): Promise<number> {
    let at = 0;
    const pair = makePair(() => (at * 0.37) % 1);
    const { world, store } = pair;
    const running = { a: pair.a, b: pair.b };
    const begin = (who: Sidecar) => {
      running[who].wire.passage = () => passages[at++ % passages.length] ?? QUICK;
      running[who].leader.start();
    };
    begin('a');
    begin('b');
    let acting = 0;
    for (const { who, what, ms } of steps) {
      const one = running[who];
      if (what === 'freeze') one.timers.freeze();
      if (what === 'thaw') one.timers.thaw();
      if (what === 'flush') store.held = undefined;
      if (what === 'restart' && !one.timers.frozen) {
        one.leader.stop();
        running[who] = makeSidecar(`${who}${world.monotonic()}`, store, world);
        begin(who);
      }
      for (let passed = 0; passed < ms; passed += 50) {
        await world.advanceAsync(50);
        const able = [running.a, running.b].filter(({ leader }) => leader.mayAct()).length;
        expect(able).toBeLessThan(2);
        acting += able;
      }
    }
    return acting;
  }

  test('whatever is lost, late, stopped or started', async () => {
    let acting = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record<Step>({
            who: fc.constantFrom<Sidecar>('a', 'b'),
            what: fc.constantFrom<Step['what']>('freeze', 'thaw', 'restart', 'wait'),
            ms: fc.integer({ min: 0, max: 20_000 }),
          }),
          { maxLength: 12 },
        ),
        fc.array(fc.record({ there: fc.nat(4000), back: fc.nat(4000), fate }), { minLength: 1, maxLength: 20 }),
        async (steps, passages) => {
          acting += await play(steps, passages);
        },
      ),
      { numRuns: 40 },
    );
    expect(acting).toBeGreaterThan(0);
  }, 60_000);

  test('when the store forgets, as long as it answers within 150 ms', async () => {
    let acting = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record<Step>({
            who: fc.constantFrom<Sidecar>('a', 'b'),
            what: fc.constantFrom<Step['what']>('flush', 'flush', 'restart', 'wait'),
            ms: fc.integer({ min: 0, max: 5000 }),
          }),
          { maxLength: 12 },
        ),
        fc.array(fc.record({ there: fc.nat(75), back: fc.nat(75), fate: fc.constant<Passage['fate']>('ok') }), {
          minLength: 1,
          maxLength: 20,
        }),
        async (steps, passages) => {
          acting += await play(steps, passages);
        },
      ),
      { numRuns: 60 },
    );
    expect(acting).toBeGreaterThan(0);
  }, 60_000);
});
