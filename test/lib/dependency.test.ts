import { describe, expect, test } from 'bun:test';
import { Dependency } from '../../src/lib/dependency.ts';
import { QueryFault, Unavailable } from '../../src/ports/errors.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers, settle } from '../support/timers.ts';

const OUTAGE = new Unavailable('MySQL', 'connect ECONNREFUSED');

class World {
  readonly timers = new ManualTimers();
  readonly logger = new RecordingLogger();
  probes = 0;
  /** The result of each probe. */
  probe: () => Promise<unknown> = async () => {};
  readonly dependency = new Dependency({
    name: 'MySQL',
    address: 'db.example:3306',
    affects: 'cached rows serve on',
    probe: () => {
      this.probes++;
      return this.probe();
    },
    timers: this.timers,
    logger: this.logger,
  });

  get state() {
    return this.dependency.health.state;
  }

  get messages() {
    return this.logger.lines.filter(({ level }) => level !== 'debug').map(({ message }) => message);
  }

  /** A dependency that has answered, and is probed. */
  static async up() {
    const world = new World();
    await world.dependency.check();
    world.dependency.start();
    world.probes = 0;
    return world;
  }

  static async down() {
    const world = await World.up();
    world.fails();
    await world.failingQuestion();
    await world.timers.advanceAsync(0);
    expect(world.state).toBe('down');
    return world;
  }

  fails(error: Error = OUTAGE) {
    this.probe = () => Promise.reject(error);
  }

  answers() {
    this.probe = async () => {};
  }

  async failingQuestion(error: Error = OUTAGE) {
    await expect(this.dependency.ask(() => Promise.reject(error))).rejects.toBe(error);
  }
}

describe('before the first answer', () => {
  test('the state is unknown, and the last failure is its reason', async () => {
    const world = new World();
    expect(world.dependency.health).toEqual({
      name: 'MySQL',
      address: 'db.example:3306',
      state: 'unknown',
      since: world.timers.now(),
    });
    world.fails();
    await expect(world.dependency.check()).rejects.toBe(OUTAGE);
    expect(world.dependency.health).toMatchObject({ state: 'unknown', why: OUTAGE.why });
    expect(world.messages).toEqual([]);
  });

  test('questions are asked', async () => {
    const world = new World();
    expect(await world.dependency.ask(async () => 7)).toBe(7);
    expect(world.state).toBe('up');
  });

  test('an outage that lasts when the probes begin is logged, and delays no question', async () => {
    const world = new World();
    world.fails();
    world.dependency.start();
    await world.timers.advanceAsync(5_000);
    expect(world.dependency.health).toMatchObject({ state: 'unknown', why: OUTAGE.why });
    expect(world.messages).toEqual(['MySQL does not answer']);
    let asked = 0;
    await expect(world.dependency.ask(async () => asked++)).rejects.toThrow('does not answer');
    expect(asked).toBe(0);
    world.answers();
    await world.timers.advanceAsync(1_000);
    expect(world.state).toBe('up');
    expect(world.messages).toEqual(['MySQL does not answer', 'MySQL answers again']);
  });
});

describe('an outage', () => {
  test('begins when the probe after a failed question fails too', async () => {
    const world = await World.up();
    world.fails();
    world.timers.advance(1_000);
    await world.failingQuestion();
    expect(world.state).toBe('up');
    await world.timers.advanceAsync(0);
    expect(world.dependency.health).toMatchObject({
      state: 'down',
      since: world.timers.now(),
      why: OUTAGE.why,
    });
    expect(world.logger.lines.at(-1)).toEqual({
      level: 'warn',
      fields: {
        dependency: 'MySQL',
        address: 'db.example:3306',
        why: OUTAGE.why,
        affects: 'cached rows serve on',
      },
      message: 'MySQL does not answer',
    });
  });

  test('is not one lost connection', async () => {
    const world = await World.up();
    await world.failingQuestion();
    await world.timers.advanceAsync(60_000);
    expect(world.state).toBe('up');
    expect(world.messages).toEqual([]);
  });

  test('is not an error that concerns one query', async () => {
    const world = await World.up();
    await world.failingQuestion(new QueryFault('MySQL', 'Unknown column', 'ER_BAD_FIELD_ERROR'));
    world.timers.advance(0);
    expect(world.probes).toBe(0);
    expect(world.state).toBe('up');
  });

  test('is a probe that is refused: what users need is refused too', async () => {
    const world = await World.up();
    world.fails(new QueryFault('Redis', 'OOM command not allowed', 'OOM'));
    await world.timers.advanceAsync(5_000);
    expect(world.dependency.health).toMatchObject({ state: 'down', why: 'OOM command not allowed' });
  });

  test('shows without a question', async () => {
    const world = await World.up();
    world.fails();
    await world.timers.advanceAsync(5_000);
    expect(world.state).toBe('down');
  });

  test('delays no question', async () => {
    const world = await World.down();
    let asked = 0;
    const question = world.dependency.ask(async () => asked++);
    await expect(question).rejects.toThrow(new Unavailable('MySQL', 'does not answer'));
    expect(asked).toBe(0);
  });

  test('delays no question while it is only suspected', async () => {
    const world = await World.up();
    const probe = Promise.withResolvers<void>();
    world.probe = () => probe.promise;
    await world.failingQuestion();
    await expect(world.dependency.ask(async () => 7)).rejects.toThrow('does not answer');
    await world.timers.advanceAsync(0);
    await expect(world.dependency.ask(async () => 7)).rejects.toThrow('does not answer');
    probe.resolve();
    await settle();
    expect(await world.dependency.ask(async () => 7)).toBe(7);
  });

  test('has one probe at a time', async () => {
    const world = await World.down();
    world.probes = 0;
    const hanging = Promise.withResolvers<void>();
    world.probe = () => hanging.promise;
    await world.timers.advanceAsync(10_000);
    expect(world.probes).toBe(1);
  });

  test('ends with a probe that succeeds, and two lines tell of it', async () => {
    const world = await World.down();
    await world.timers.advanceAsync(3_000);
    world.answers();
    await world.timers.advanceAsync(1_000);
    expect(world.state).toBe('up');
    expect(world.dependency.health.why).toBeUndefined();
    expect(world.messages).toEqual(['MySQL does not answer', 'MySQL answers again']);
    expect(world.logger.lines.at(-1)?.fields).toMatchObject({ seconds: 4 });
    expect(await world.dependency.ask(async () => 7)).toBe(7);
  });
});

test('questions that are answered spare the probes', async () => {
  const world = await World.up();
  for (let second = 0; second < 60; second++) {
    await world.dependency.ask(async () => {});
    await world.timers.advanceAsync(1_000);
  }
  expect(world.probes).toBe(0);
});

test('many failed questions cause one probe', async () => {
  const world = await World.up();
  const hanging = Promise.withResolvers<void>();
  world.probe = () => hanging.promise;
  const failing = Promise.withResolvers<never>();
  const questions = Array.from({ length: 100 }, () => world.dependency.ask(() => failing.promise));
  failing.reject(OUTAGE);
  await Promise.allSettled(questions);
  await world.timers.advanceAsync(60_000);
  expect(world.probes).toBe(1);
});

test('an unexpected error of a probe is logged, and probes go on', async () => {
  const world = await World.up();
  world.fails(new TypeError('no such thing'));
  await world.timers.advanceAsync(5_000);
  world.fails();
  await world.timers.advanceAsync(10_000);
  expect(world.state).toBe('down');
});

test('a stopped one is probed no more', async () => {
  const world = await World.up();
  world.dependency.stop();
  world.dependency.probeNow('closed');
  await settle();
  expect(world.timers.pending).toBe(0);
});

test('the time of every question and probe is reported, answered or failed', async () => {
  const { dependency, timers } = await World.up();
  const times: number[] = [];
  dependency.onAsked((ms) => times.push(ms));
  await dependency.ask(async () => timers.advance(3));
  const failing = dependency.ask(async () => {
    timers.advance(20);
    throw new QueryFault('MySQL', 'unknown column', 'ER_BAD_FIELD_ERROR');
  });
  await expect(failing).rejects.toThrow(QueryFault);
  await dependency.check();
  expect(times).toEqual([3, 20, 0]);
  dependency.stop();
});

test('its listeners are called after each change of the state', async () => {
  const world = await World.up();
  const states: string[] = [];
  world.dependency.onChange(() => states.push(world.state));
  world.fails();
  await world.timers.advanceAsync(20_000);
  world.answers();
  await world.timers.advanceAsync(20_000);
  expect(states).toEqual(['down', 'up']);
});
