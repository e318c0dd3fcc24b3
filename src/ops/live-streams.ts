import type { EventBus } from '../events/bus.ts';
import { EventQueue } from '../events/event-queue.ts';
import { sleep, type Timers } from '../lib/timers.ts';
import type { RecentFigures } from './recent-figures.ts';
import { failure } from './response.ts';
import type { Peer } from './route.ts';

/** Streams at a time; further ones are answered 503. */
const MAX_STREAMS = 16;
/** Events that wait for a slow reader; the oldest are dropped beyond. */
const MAX_WAITING = 500;
/** Earlier events that a new reader gets first. */
const RECENT = 100;
/** Events of this time go together, milliseconds. */
const TICK_MS = 250;
/** A reader that takes nothing for so long is disconnected, milliseconds. */
const STALLED_MS = 20_000;

const HEADERS = {
  'Content-Type': 'text/event-stream',
  // A proxy that collects a response would hold the events back.
  'X-Accel-Buffering': 'no',
};

/**
 * Events and figures as Server-Sent Events, for as long as a reader stays. `events` has the events since the last one and how
 * many were lost before them; `figures` has the seconds that are over, once a second, which also shows that we live.
 */
export class LiveStreams {
  readonly #stopping = new AbortController();
  #open = 0;

  constructor(
    private readonly bus: EventBus,
    private readonly figures: RecentFigures,
    private readonly timers: Timers,
  ) {}

  handle(request: Request, peer: Peer): Response {
    if (request.method === 'HEAD') return new Response(null, { headers: HEADERS });
    if (this.#open >= MAX_STREAMS) return failure(503, `${MAX_STREAMS} streams are open`, { 'Retry-After': '10' });
    const queue = new EventQueue(this.bus, { maxWaiting: MAX_WAITING, recent: RECENT });
    this.#open++;
    let isOpen = true;
    const release = () => {
      queue.end();
      if (isOpen) this.#open--;
      isOpen = false;
    };
    // A body that was never read does not end.
    request.signal.addEventListener('abort', release);
    peer.idleTimeout(0);
    return new Response(this.#body(queue, peer, release), { headers: HEADERS });
  }

  /** Ends all streams, after the events that wait. */
  stop(): void {
    this.#stopping.abort();
  }

  async *#body(queue: EventQueue, peer: Peer, release: () => void): AsyncGenerator<Uint8Array> {
    const { signal } = this.#stopping;
    try {
      // The present second is the first that is shown.
      let shownUntil = this.timers.now() - 1000;
      while (!signal.aborted) {
        const { dropped, events } = queue.take();
        const seconds = this.figures.seconds(shownUntil);
        shownUntil = seconds.at(-1)?.at ?? shownUntil;
        let text = '';
        if (events.length > 0) text += message('events', { dropped, events });
        if (seconds.length > 0) text += message('figures', seconds);
        if (text !== '') yield* this.#watched(text, peer);
        await sleep(TICK_MS, this.timers, signal);
      }
      yield* this.#watched(message('events', queue.take()), peer);
    } finally {
      release();
    }
  }

  /** Resumes when the reader has taken the text. */
  async *#watched(text: string, peer: Peer): AsyncGenerator<Uint8Array> {
    const stalled = this.timers.after(STALLED_MS, () => peer.idleTimeout(1));
    try {
      yield new TextEncoder().encode(text);
    } finally {
      stalled.cancel();
    }
  }
}

function message(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
}
