import { expect, test } from 'bun:test';
import { IdleCollection } from '../../src/lib/idle-collection.ts';
import { ManualTimers } from '../support/timers.ts';

const SECOND = 1000;

/** A process that uses so much of a core, and 300 ms for a collection. */
function processAt(share: number) {
  const timers = new ManualTimers();
  const load = { share };
  let cpuMs = 0;
  let collections = 0;
  const idle = new IdleCollection({
    timers,
    cpuMs: () => cpuMs,
    collect: () => {
      collections++;
      cpuMs += 300;
    },
  });
  idle.start();
  const pass = (seconds: number) => {
    for (let second = 0; second < seconds; second++) {
      cpuMs += load.share * SECOND;
      timers.advance(SECOND);
    }
    return collections;
  };
  return { load, pass, idle, timers };
}

test('garbage is collected once in a lull, when what was answered before it is forgotten', () => {
  const { load, pass } = processAt(0.5);
  expect(pass(600)).toBe(0);
  load.share = 0.005;
  expect(pass(32)).toBe(0);
  expect(pass(28)).toBe(1);
  expect(pass(3600)).toBe(1);
  load.share = 0.5;
  expect(pass(60)).toBe(1);
  load.share = 0.005;
  expect(pass(60)).toBe(2);
});

test('a lull that is too short is none', () => {
  const { load, pass } = processAt(0.005);
  expect(pass(60)).toBe(1);
  for (let burst = 0; burst < 10; burst++) {
    load.share = 0.3;
    pass(10);
    load.share = 0;
    expect(pass(35)).toBe(1);
  }
});

test('a sidecar that is told to stop looks no more', () => {
  const { pass, idle, timers } = processAt(0);
  idle.stop();
  expect(timers.pending).toBe(0);
  expect(pass(600)).toBe(0);
});
