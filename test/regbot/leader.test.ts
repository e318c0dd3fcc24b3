import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Timer, Timers } from '../../src/lib/timers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { Lease } from '../../src/ports/lease.ts';
import { Leader } from '../../src/regbot/leader.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';

const LENGTH = 30_000;

/** A lease as in Redis: a key with an expiry. */
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

/** Delays of a call to the store and its reply, in milliseconds, and what becomes of them. */
interface Passage {
  readonly there: number;
  readonly back: number;
  readonly fate: 'ok' | 'call lost' | 'reply lost' | 'never settles';
}
const QUICK: Passage = { there: 1, back: 1, fate: 'ok' };

/** One sidecar's connection to the store. */
class Wire implements Lease {
  passage: () => Passage = () => QUICK;
  constructor(
    private readonly store: Store,
    private readonly timers: ManualTimers,
  ) {}

  take = (token: string, lengthMs: number) => this.#call(() => this.store.take(token, lengthMs));
  renew = (token: string, lengthMs: number) => this.#call(() => this.store.renew(token, lengthMs));
  release = (token: string) => this.#call(() => this.store.release(token));
  holder = () => this.#call(() => this.store.holder);

  #call<T>(call: () => T): Promise<T> {
    const { there, back, fate } = this.passage();
    return new Promise((resolve, reject) => {
      this.timers.after(there, () => {
        const value = fate === 'call lost' ? undefined : { value: call() };
        if (fate === 'never settles') return;
        this.timers.after(back, () => {
          if (value && fate === 'ok') resolve(value.value);
          else reject(new Unavailable('Redis', fate));
        });
      });
    });
  }
}

/** The timers of a process, which do not fire while it is suspended (SIGSTOP). */
class ProcessTimers implements Timers {
  #frozen: (() => void)[] | undefined;
  constructor(private readonly time: ManualTimers) {}
  now = () => this.time.now();
  monotonic = () => this.time.monotonic();
  after(ms: number, callback: () => void): Timer {
    let cancelled = false;
    const timer = this.time.after(ms, () => {
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

function makeSidecar(token: string, store: Store, time: ManualTimers, random = () => 0.5) {
  const timers = new ProcessTimers(time);
  const wire = new Wire(store, time);
  const log: [string, number][] = [];
  const leader = new Leader({ lease: wire, lengthMs: LENGTH, timers, random, logger: new RecordingLogger(), token });
  leader.add({
    gained: () => log.push(['gained', time.monotonic()]),
    lost: () => log.push(['lost', time.monotonic()]),
  });
  return { leader, wire, timers, log };
}

function makePair(random?: () => number) {
  const time = new ManualTimers();
  const store = new Store(time);
  return { time, store, a: makeSidecar('a', store, time, random), b: makeSidecar('b', store, time, random) };
}

/** A pair of which `a` leads. */
async function ledByA(random?: () => number) {
  const pair = makePair(random);
  pair.a.leader.start();
  await pair.time.advanceAsync(2000);
  pair.b.leader.start();
  await pair.time.advanceAsync(2000);
  expect([pair.a.leader.mayAct(), pair.b.leader.mayAct()]).toEqual([true, false]);
  return pair;
}

/** Waits until a sidecar leads. @returns milliseconds */
async function takeover(time: ManualTimers, { leader }: { leader: Leader }): Promise<number> {
  const start = time.monotonic();
  while (!leader.mayAct()) {
    await time.advanceAsync(50);
    if (time.monotonic() - start > 120_000) throw new Error('no takeover');
  }
  return time.monotonic() - start;
}

describe('the lease', () => {
  test('is kept by its holder, which renews it after a third of its length', async () => {
    const { time, store, a, b } = await ledByA();
    const renewals: number[] = [];
    for (let until = store.held?.until; time.monotonic() < 600_000; await time.advanceAsync(100)) {
      if (store.held?.until !== until) renewals.push(time.monotonic());
      until = store.held?.until;
    }
    const gaps = renewals.slice(1).map((at, i) => at - (renewals[i] ?? 0));
    expect(gaps.every((gap) => gap >= 9900 && gap <= 10_600)).toBe(true);
    expect(a.log.map(([what]) => what)).toEqual(['gained']);
    expect(b.log).toEqual([]);
  });

  test.each([0, 0.999])('is taken over within 2 s after a clean stop', async (jitter) => {
    const { time, a, b } = await ledByA(() => jitter);
    await Promise.all([a.leader.stop(), time.advanceAsync(10)]);
    expect(a.log.map(([what]) => what)).toEqual(['gained', 'lost']);
    expect(await takeover(time, b)).toBeLessThan(2000);
  });

  test('is taken over within its length plus 5 s after a crash', async () => {
    const { time, a, b } = await ledByA();
    a.timers.freeze();
    expect(await takeover(time, b)).toBeLessThan(LENGTH + 5000);
  });

  test('is given up before it expires when it cannot be renewed', async () => {
    const { time, store, a } = await ledByA();
    a.wire.passage = () => ({ ...QUICK, fate: 'never settles' });
    const kept = store.held;
    store.renew = () => false;
    await time.advanceAsync(40_000);
    const lost = a.log[1];
    expect(lost?.[0]).toBe('lost');
    expect(lost?.[1]).toBeLessThan((kept?.until ?? 0) - 2000);
    expect(lost?.[1]).toBeGreaterThan((kept?.until ?? 0) - 4000);
  });

  test('is reckoned from before the call, however late the reply', async () => {
    const { time, store, a } = await ledByA();
    const applied = store.held?.until;
    a.wire.passage = () => ({ there: 0, back: 4900, fate: 'ok' });
    while (store.held?.until === applied) await time.advanceAsync(100);
    await time.advanceAsync(4900);
    a.wire.passage = () => ({ ...QUICK, fate: 'call lost' });
    await time.advanceAsync((store.held?.until ?? 0) - time.monotonic() - 1000);
    expect(a.leader.mayAct()).toBe(false);
  });

  test('survives a shorter outage of the store', async () => {
    const { time, a } = await ledByA();
    a.wire.passage = () => ({ ...QUICK, fate: 'call lost' });
    await time.advanceAsync(15_000);
    a.wire.passage = () => QUICK;
    await time.advanceAsync(60_000);
    expect(a.log.map(([what]) => what)).toEqual(['gained']);
  });

  test('is known to be over after a suspension, before the first timer fires', async () => {
    const { time, a, b } = await ledByA();
    a.timers.freeze();
    await time.advanceAsync(60_000);
    expect(a.leader.mayAct()).toBe(false);
    a.timers.thaw();
    expect(a.log.map(([what]) => what)).toEqual(['gained', 'lost']);
    await time.advanceAsync(5000);
    expect([a.leader.mayAct(), b.leader.mayAct()]).toEqual([false, true]);
  });

  test('is over when the wall clock says so, as after a paused machine', async () => {
    const { time, a } = await ledByA();
    time.skew = 60_000;
    expect(a.leader.mayAct()).toBe(false);
    expect(await takeover(time, a)).toBeLessThan(2000);
    time.skew = 0;
    await time.advanceAsync(LENGTH);
    expect(a.leader.mayAct()).toBe(true);
  });

  test('is recognized as ours after the reply to taking it was lost', async () => {
    const { time, store, a } = makePair();
    const passages: Passage[] = [{ ...QUICK, fate: 'reply lost' }];
    a.wire.passage = () => passages.shift() ?? QUICK;
    a.leader.start();
    expect(await takeover(time, a)).toBeLessThan(5000);
    expect(store.holder).toBe('a');
  });

  test('is given up before another sidecar acts when the store lost it', async () => {
    const { time, store, a, b } = await ledByA();
    store.held = undefined;
    let led = 0;
    for (let ms = 0; ms < 5000; ms += 5) {
      await time.advanceAsync(5);
      const acting = [a, b].filter(({ leader }) => leader.mayAct()).length;
      expect(acting).toBeLessThan(2);
      led += acting;
    }
    expect(led).toBeGreaterThan(400);
    expect(a.log.map(([what]) => what).slice(0, 2)).toEqual(['gained', 'lost']);
  });

  test('is released when we stop while taking it', async () => {
    const { time, store, a } = makePair();
    a.leader.start();
    await time.advanceAsync(100);
    expect(store.holder).toBe('a');
    await Promise.all([a.leader.stop(), time.advanceAsync(10)]);
    expect(store.holder).toBeUndefined();
    await time.advanceAsync(10_000);
    expect(a.log).toEqual([]);
    expect(time.pending).toBe(0);
  });

  test('is sought and kept again after a fault in asking the store', async () => {
    const { time, a, b } = await ledByA();
    await Promise.all([b.leader.stop(), time.advanceAsync(10)]);
    a.wire.passage = () => {
      throw new TypeError('a fault of ours');
    };
    await time.advanceAsync(LENGTH);
    expect(a.leader.mayAct()).toBe(false);
    a.wire.passage = () => QUICK;
    expect(await takeover(time, a)).toBeLessThan(5000);
    expect(a.log.map(([what]) => what)).toEqual(['gained', 'lost', 'gained']);
  });

  test('does not delay a stop when the store is down', async () => {
    const { time, a } = await ledByA();
    a.wire.passage = () => ({ ...QUICK, fate: 'never settles' });
    const stopped = a.leader.stop();
    expect(a.leader.mayAct()).toBe(false);
    await time.advanceAsync(5000);
    await stopped;
  });
});

describe('two sidecars never both act', () => {
  type Sidecar = 'a' | 'b';
  type Step = { who: Sidecar; what: 'freeze' | 'thaw' | 'restart' | 'flush' | 'wait'; ms: number };
  const fate = fc.constantFrom<Passage['fate']>('ok', 'ok', 'ok', 'call lost', 'reply lost', 'never settles');

  /** Runs the steps, checking every 50 ms. @returns how often a sidecar could act */
  async function play(steps: readonly Step[], passages: readonly Passage[]): Promise<number> {
    let at = 0;
    const pair = makePair(() => (at * 0.37) % 1);
    const { time, store } = pair;
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
        running[who] = makeSidecar(`${who}${time.monotonic()}`, store, time);
        begin(who);
      }
      for (let passed = 0; passed < ms; passed += 50) {
        await time.advanceAsync(50);
        const able = [running.a, running.b].filter(({ leader }) => leader.mayAct()).length;
        expect(able).toBeLessThan(2);
        acting += able;
      }
    }
    return acting;
  }

  test('whatever is lost, delayed, suspended or restarted', async () => {
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

  test('even if the store loses the lease, as long as it answers within 150 ms', async () => {
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
