import { describe, expect, test } from 'bun:test';
import { InfluxAlerts } from '../../../src/adapters/influx/alerts.ts';
import type { Database } from '../../../src/adapters/influx/points.ts';
import { BATCH_POINTS, MAX_WAITING, PointWriter } from '../../../src/adapters/influx/writer.ts';
import { QueryFault, Unavailable } from '../../../src/ports/errors.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { ManualTimers, settle } from '../../support/timers.ts';

const OUTAGE = new Unavailable('InfluxDB', 'connect ECONNREFUSED');
const REFUSED = new QueryFault('InfluxDB', 'HTTP status 400: field type conflict', 'HTTP 400');

class World {
  readonly timers = new ManualTimers();
  readonly logger = new RecordingLogger();
  /** The lines of each write, and of each attempt at one. */
  readonly writes: (readonly string[])[] = [];
  readonly databases: Database[] = [];
  pings = 0;
  closed = false;
  /** The result of each request. */
  answer: () => Promise<void> = async () => {};
  readonly writer = new PointWriter({
    client: {
      address: '127.0.0.1:8086',
      ping: () => {
        this.pings++;
        return this.answer();
      },
      write: (database, lines) => {
        this.databases.push(database);
        this.writes.push(lines);
        return this.answer();
      },
      close: () => {
        this.closed = true;
      },
    },
    timers: this.timers,
    logger: this.logger,
  });
  #added = 0;

  /** A writer whose InfluxDB has answered. */
  static async up() {
    const world = new World();
    world.writer.dependency.start();
    await world.timers.advanceAsync(0);
    expect(world.state).toBe('up');
    return world;
  }

  static async down() {
    const world = await World.up();
    world.fails();
    await world.timers.advanceAsync(5_000);
    expect(world.state).toBe('down');
    return world;
  }

  get state() {
    return this.writer.dependency.health.state;
  }

  get messages() {
    return this.logger.lines.filter(({ level }) => level !== 'debug').map(({ message }) => message);
  }

  /** Adds points, whose lines count up. */
  add(count: number, database: Database = 'alerts') {
    for (let i = 0; i < count; i++) this.writer.add({ database, line: String(this.#added++) });
  }

  fails(error: Error = OUTAGE) {
    this.answer = () => Promise.reject(error);
  }

  answers() {
    this.answer = async () => {};
  }
}

function lines(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => String(from + i));
}

describe('points', () => {
  test('of one second are written together, in order', async () => {
    const world = await World.up();
    world.add(2);
    await world.timers.advanceAsync(999);
    world.add(1);
    expect(world.writes).toEqual([]);
    await world.timers.advanceAsync(1);
    expect(world.writes).toEqual([['0', '1', '2']]);
    expect(world.writer.waiting).toBe(0);
  });

  test('beyond a batch are written in the next one', async () => {
    const world = await World.up();
    world.add(2 * BATCH_POINTS + 1);
    await world.timers.advanceAsync(1_000);
    expect(world.writes.map((batch) => batch.length)).toEqual([BATCH_POINTS, BATCH_POINTS, 1]);
    expect(world.writes.flat()).toEqual(lines(0, 2 * BATCH_POINTS + 1));
  });

  test('of two databases are written apart', async () => {
    const world = await World.up();
    world.add(2);
    world.add(1, 'system_alerts');
    world.add(1);
    await world.timers.advanceAsync(1_000);
    expect(world.writes).toEqual([['0', '1'], ['2'], ['3']]);
    expect(world.databases).toEqual(['alerts', 'system_alerts', 'alerts']);
  });

  test('added while others are written follow them', async () => {
    const world = await World.up();
    const first = Promise.withResolvers<void>();
    world.answer = () => first.promise;
    world.add(1);
    await world.timers.advanceAsync(1_000);
    world.add(1);
    await world.timers.advanceAsync(1_000);
    expect(world.writes).toEqual([['0']]);
    expect(world.writer.waiting).toBe(2);
    world.answers();
    first.resolve();
    await settle();
    expect(world.writes).toEqual([['0'], ['1']]);
    expect(world.writer.waiting).toBe(0);
  });

  test('that are refused as invalid are dropped, which is logged once', async () => {
    const world = await World.up();
    world.fails(REFUSED);
    for (let i = 0; i < 3; i++) {
      world.add(2);
      await world.timers.advanceAsync(1_000);
    }
    expect(world.writes).toEqual([lines(0, 2), lines(2, 4), lines(4, 6)]);
    expect([world.writer.waiting, world.writer.dropped]).toEqual([0, 6]);
    expect(world.state).toBe('up');
    expect(world.messages).toEqual(['saving of alerts failed']);
    world.answers();
    world.add(1);
    await world.timers.advanceAsync(1_000);
    expect(world.writes.at(-1)).toEqual(['6']);
  });
});

describe('an outage', () => {
  test('is two lines, and its points are written when it is over', async () => {
    const world = await World.up();
    world.fails();
    world.add(3);
    await world.timers.advanceAsync(1_000);
    expect(world.state).toBe('down');
    expect(world.writer.dependency.health.why).toBe(OUTAGE.why);
    world.add(2);
    await world.timers.advanceAsync(60_000);
    expect(world.writer.waiting).toBe(5);
    world.answers();
    world.writes.length = 0;
    await world.timers.advanceAsync(31_000);
    expect(world.writes.flat()).toEqual(lines(0, 5));
    expect([world.writer.waiting, world.writer.dropped]).toEqual([0, 0]);
    expect(world.messages).toEqual(['InfluxDB does not answer', 'InfluxDB answers again']);
  });

  test('is probed after 1 s, 2 s, 4 s and so on, at most 30 s', async () => {
    const world = await World.down();
    const pauses: number[] = [];
    for (let i = 0; i < 8; i++) {
      const next = world.timers.next ?? 0;
      pauses.push(next / 1000);
      await world.timers.advanceAsync(next);
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 30, 30, 30]);
  });

  test('after another begins with short pauses again', async () => {
    const world = await World.down();
    await world.timers.advanceAsync(120_000);
    world.answers();
    await world.timers.advanceAsync(30_000);
    expect(world.state).toBe('up');
    world.fails();
    while (world.state === 'up') await world.timers.advanceAsync(world.timers.next ?? 0);
    expect(world.timers.next).toBe(1_000);
  });

  test('shows without an alert', async () => {
    const world = await World.up();
    world.fails();
    await world.timers.advanceAsync(5_000);
    expect(world.messages).toEqual(['InfluxDB does not answer']);
    expect(world.writes).toEqual([]);
  });

  test('that refuses writes but answers pings is an outage: the probe writes', async () => {
    const world = await World.up();
    world.fails();
    world.add(1);
    await world.timers.advanceAsync(1_000);
    const { pings } = world;
    await world.timers.advanceAsync(60_000);
    expect(world.pings).toBe(pings);
    expect(world.state).toBe('down');
  });

  test('from the start on loses nothing', async () => {
    const world = new World();
    world.fails();
    world.writer.dependency.start();
    world.add(1, 'system_alerts');
    await world.timers.advanceAsync(10_000);
    expect(world.state).toBe('unknown');
    world.answers();
    world.writes.length = 0;
    await world.timers.advanceAsync(30_000);
    expect(world.writes).toEqual([['0']]);
    expect(world.messages).toEqual(['InfluxDB does not answer', 'InfluxDB answers again']);
  });
});

describe('the bound on points that wait', () => {
  test('drops the oldest, counts them, and says so when it begins and when it is over', async () => {
    const world = await World.down();
    world.add(MAX_WAITING);
    expect(world.writer.dropped).toBe(0);
    world.add(10);
    expect([world.writer.waiting, world.writer.dropped]).toEqual([MAX_WAITING, 10]);
    world.answers();
    world.writes.length = 0;
    await world.timers.advanceAsync(35_000);
    expect(world.writes.flat()).toEqual(lines(10, MAX_WAITING + 10));
    expect(world.messages.slice(1)).toEqual([
      'the oldest alerts are dropped',
      'alerts were dropped',
      'InfluxDB answers again',
    ]);
    const [counted] = world.logger.lines.filter(({ message }) => message === 'alerts were dropped');
    expect(counted?.fields).toEqual({ dropped: 10 });
    expect(world.writer.dropped).toBe(10);
  });

  test('holds for the batch that is being written too', async () => {
    const world = await World.up();
    const hanging = Promise.withResolvers<void>();
    world.answer = () => hanging.promise;
    world.add(3);
    await world.timers.advanceAsync(1_000);
    world.add(MAX_WAITING);
    expect([world.writer.waiting, world.writer.dropped]).toEqual([MAX_WAITING, 3]);
    world.fails();
    hanging.reject(OUTAGE);
    await settle();
    expect([world.writer.waiting, world.writer.dropped]).toEqual([MAX_WAITING, 3]);
    world.answers();
    world.writes.length = 0;
    await world.timers.advanceAsync(35_000);
    // The batch was the oldest, but it may have been written: it is kept, and those after it were dropped.
    expect(world.writes.flat()).toEqual([...lines(0, 3), ...lines(6, MAX_WAITING + 3)]);
  });
});

describe('a stop', () => {
  test('writes what waits at once', async () => {
    const world = await World.up();
    world.add(2);
    world.add(1, 'system_alerts');
    await world.writer.stop();
    expect(world.writes).toEqual([['0', '1'], ['2']]);
    expect(world.closed).toBe(true);
    expect(world.timers.pending).toBe(0);
  });

  test('waits for the batch that is being written', async () => {
    const world = await World.up();
    const hanging = Promise.withResolvers<void>();
    world.answer = () => hanging.promise;
    world.add(1);
    await world.timers.advanceAsync(1_000);
    world.add(1);
    const stopped = world.writer.stop();
    await settle();
    expect(world.closed).toBe(false);
    hanging.resolve();
    await stopped;
    expect(world.writes).toEqual([['0'], ['1']]);
  });

  test('tries again when a connection is lost meanwhile', async () => {
    const world = await World.up();
    world.add(1);
    world.answer = async () => {
      world.answers();
      throw OUTAGE;
    };
    const stopped = world.writer.stop();
    await world.timers.advanceAsync(250);
    await stopped;
    expect(world.writes).toEqual([['0'], ['0']]);
    expect(world.writer.waiting).toBe(0);
  });

  test('tries once during an outage, and says what is lost', async () => {
    const world = await World.down();
    world.add(3);
    world.writes.length = 0;
    await world.writer.stop();
    expect(world.writes).toHaveLength(1);
    expect(world.logger.lines.at(-1)).toEqual({
      level: 'warn',
      fields: { points: 3, why: OUTAGE.why },
      message: 'alerts lost at the stop',
    });
    expect(world.timers.pending).toBe(0);
  });

  test('lasts 3 s at most', async () => {
    const world = await World.up();
    world.answer = () => new Promise(() => {});
    world.add(1);
    const stopped = world.writer.stop();
    await world.timers.advanceAsync(3_000);
    await stopped;
    expect(world.closed).toBe(true);
    expect(world.messages).toEqual(['alerts lost at the stop']);
    expect(world.timers.pending).toBe(0);
  });
});

test('equal alerts are saved once a second, different ones each time', async () => {
  const world = await World.up();
  const alerts = new InfluxAlerts({ writer: world.writer, host: 'sbc', clock: world.timers, random: () => 0 });
  const alert = { type: 'webhook-failure', message: 'a', accountSid: '1' } as const;
  alerts.raise(alert);
  alerts.raise(alert);
  alerts.raise({ ...alert, accountSid: '2' });
  alerts.raise({ ...alert, message: 'b' });
  expect(world.writer.waiting).toBe(3);
  await world.timers.advanceAsync(1_000);
  alerts.raise(alert);
  expect(world.writer.waiting).toBe(1);
});
