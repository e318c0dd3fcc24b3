import { expect, test } from 'bun:test';
import { Cseqs } from '../../src/regbot/cseqs.ts';
import { ManualTimers } from '../support/timers.ts';

const MAX_CALL_IDS = 50_000;

function start() {
  const timers = new ManualTimers();
  const cseqs = new Cseqs(timers);
  return { timers, cseqs, first: cseqs.next('other') };
}

test('a CSeq is the number of seconds, or one more than the last', () => {
  const { timers, cseqs, first } = start();
  expect([1, 2, 3].map(() => cseqs.next('a'))).toEqual([first, first + 1, first + 2]);
  timers.advance(1000);
  expect(cseqs.next('a')).toBe(first + 3);
  timers.advance(60_000);
  expect(cseqs.next('a')).toBe(first + 61);
  timers.skew = -3_600_000;
  expect(cseqs.next('a')).toBe(first + 62);
  expect(cseqs.next('b')).toBeLessThan(first);
});

test('the Call-ID used longest ago is forgotten beyond 50 000', () => {
  const { cseqs, first } = start();
  for (const callId of ['a', 'a', 'b', 'b', 'a']) cseqs.next(callId);
  for (let n = 2; n < MAX_CALL_IDS; n++) cseqs.next(`call-${n}`);
  // 'other' is forgotten.
  expect(cseqs.next('b')).toBe(first + 2);
  cseqs.next('one more');
  expect(cseqs.next('a')).toBe(first);
});
