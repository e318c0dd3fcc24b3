import { expect, test } from 'bun:test';
import { RetransmissionTimers, type Waiting } from '../../bench/register/retransmit.ts';

class Request implements Waiting<Request> {
  stage = -1;
  dueAt = 0;
  previous: Request | undefined;
  next: Request | undefined;
  constructor(readonly name: string) {}
}

/** Expires the timers every 100 ms; returns what happened when. */
function watch(timers: RetransmissionTimers<Request>, until: number, from = 0) {
  const seen: string[] = [];
  for (let now = from; now <= until; now += 100) {
    timers.expire(
      now,
      ({ name }) => seen.push(`${name} again at ${now}`),
      ({ name }) => seen.push(`${name} given up at ${now}`),
    );
  }
  return seen;
}

test('a request is retransmitted by timer E and given up when timer F fires', () => {
  const timers = new RetransmissionTimers<Request>();
  timers.start(new Request('a'), 0);
  expect(watch(timers, 60_000)).toEqual([
    ...[500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500].map((at) => `a again at ${at}`),
    'a given up at 32000',
  ]);
});

test('a stopped request is not retransmitted, whatever its place in the list', () => {
  for (const answered of [0, 1, 2]) {
    const timers = new RetransmissionTimers<Request>();
    const requests = [new Request('a'), new Request('b'), new Request('c')];
    requests.forEach((request, i) => {
      timers.start(request, i * 100);
    });
    const gone = requests[answered];
    if (gone) timers.stop(gone);
    const names = ['a', 'b', 'c'].filter((_, i) => i !== answered);
    expect(watch(timers, 700)).toEqual(names.map((name) => `${name} again at ${500 + 'abc'.indexOf(name) * 100}`));
  }
});

test('stop may be called twice, and start begins anew', () => {
  const timers = new RetransmissionTimers<Request>();
  const request = new Request('a');
  timers.start(request, 0);
  expect(watch(timers, 500)).toEqual(['a again at 500']);
  timers.stop(request);
  timers.stop(request);
  timers.start(request, 600);
  expect(watch(timers, 1100, 600)).toEqual(['a again at 1100']);
});
