import { expect, test } from 'bun:test';
import { Refused } from '../../src/admin/actions.ts';
import type { StreamParams, StreamPart } from '../../src/admin/protocol.ts';
import { EventBus } from '../../src/events/bus.ts';
import { eventsView } from '../../src/sidecar/events-view.ts';
import { refused, registered } from '../events/support.ts';
import { ManualTimers } from '../support/timers.ts';

function start(filter: StreamParams<'events'> = {}) {
  const bus = new EventBus(new ManualTimers());
  bus.emit(registered('before@example.com'));
  const gone = new AbortController();
  const parts = eventsView(bus).follow(filter, gone.signal);
  const read = async () => {
    gone.abort();
    const seen: StreamPart<'events'>[] = [];
    for await (const part of parts) seen.push(part);
    return {
      dropped: seen.map(({ dropped }) => dropped),
      ids: seen.flatMap(({ events }) => events.map(({ id }) => id)),
    };
  };
  return { bus, read };
}

test('a follower gets all events from now on', async () => {
  const { bus, read } = start();
  bus.emit(registered('a@example.com'));
  bus.emit({ type: 'drained', server: '10.0.0.1' });
  expect(await read()).toEqual({ dropped: [0], ids: [2, 3] });
});

test.each([
  [{ types: ['refused', 'drained'] }, [3, 4, 5]],
  [{ types: ['trunk'] }, []],
  [{ aor: 'sip:a@EXAMPLE.com' }, [2, 3]],
  [{ aor: 'A@example.com' }, []],
  [{ aor: 'a@example.com', types: ['refused'] }, [3]],
  [{ recent: 1 }, [1, 2, 3, 4, 5]],
  [{ recent: 1, aor: 'a@example.com' }, [2, 3]],
] as [StreamParams<'events'>, number[]][])('%j', async (filter, ids) => {
  const { bus, read } = start(filter);
  bus.emit(registered('a@example.com'));
  bus.emit(refused('a@Example.com', 'OutOfOrder'));
  const { aor: _, ...nameless } = refused('', 'DomainIsAddress');
  bus.emit(nameless);
  bus.emit({ type: 'drained', server: '10.0.0.1' });
  expect((await read()).ids).toEqual(ids);
});

test('an unknown type is refused, and the types are named', () => {
  const follow = () => start({ types: ['refused', 'toString'] });
  expect(follow).toThrow(Refused);
  expect(follow).toThrow('no event is toString; they are registered, refreshed-elsewhere, ');
});

test('1000 events wait for a follower who reads slowly', async () => {
  const { bus, read } = start();
  for (let i = 0; i < 1234; i++) bus.emit(registered('a@example.com'));
  const { dropped, ids } = await read();
  expect({ dropped, count: ids.length, last: ids.at(-1) }).toEqual({ dropped: [234], count: 1000, last: 1235 });
});

test('a follower who has gone already gets nothing', async () => {
  const bus = new EventBus(new ManualTimers());
  expect(await Array.fromAsync(eventsView(bus).follow({}, AbortSignal.abort()))).toEqual([]);
  bus.emit(registered('a@example.com'));
});
