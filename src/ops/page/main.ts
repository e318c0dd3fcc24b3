import type { PublishedEvent } from '../../ports/events.ts';
import type { FiguresOfSecond, RefusalCount } from '../recent-figures.ts';
import { Acts } from './act-buttons.ts';
import { TokenDialog } from './acts.ts';
import { type Allowed, Client } from './client.ts';
import { EventList } from './event-list.ts';
import { Figures } from './figures.ts';
import { Lists } from './lists.ts';
import { showLost, showStatus } from './overview.ts';
import { Search } from './search.ts';

/** Pause between two readings of the lists, milliseconds. */
const REFRESH_MS = 5000;
/** The same after an event that changes them. */
const SOON_MS = 300;

const LISTED: ReadonlySet<PublishedEvent['type']> = new Set([
  'banned',
  'unbanned',
  'drained',
  'undrained',
  'trunk',
  'readiness',
]);

interface RecentFigures {
  readonly seconds: readonly FiguresOfSecond[];
  readonly refusals: readonly RefusalCount[];
  readonly aors: readonly (readonly [realm: string, aors: number])[] | null;
}

const client = new Client();
const acts = new Acts(client, () => {
  search.again();
  refreshAfter(0);
});
const lists = new Lists(acts);
const search = new Search(client, acts);
const figures = new Figures();
const events = new EventList();
const token = new TokenDialog(client, allow);

let isReadable = false;
let following: AbortController | undefined;
let timer = 0;

/** Reads while the page is seen: a page in the background holds no stream. */
function follow(): void {
  following?.abort();
  clearTimeout(timer);
  if (document.hidden || !isReadable) return;
  following = new AbortController();
  void client.follow('/api/events', following.signal, {
    opened() {
      events.clear();
      figures.clear();
      refreshAfter(0);
    },
    lost(why) {
      showLost(why);
      clearTimeout(timer);
    },
    message(event, data) {
      if (event === 'figures') figures.add(data as readonly FiguresOfSecond[]);
      if (event === 'events') happened(data as { events: readonly PublishedEvent[]; dropped: number });
    },
  });
}

function happened({ events: all, dropped }: { events: readonly PublishedEvent[]; dropped: number }): void {
  events.add(all, dropped);
  if (all.some(({ type }) => LISTED.has(type))) refreshAfter(SOON_MS);
}

function refreshAfter(ms: number): void {
  clearTimeout(timer);
  timer = window.setTimeout(() => void refresh(), ms);
}

async function refresh(): Promise<void> {
  const shown = [
    client.read('status').then((status) => {
      showStatus(status);
      lists.dependencies(status);
    }),
    client.get<RecentFigures>('/api/figures').then(({ seconds, refusals, aors }) => {
      figures.add(seconds);
      lists.refusals(refusals);
      search.realms(aors);
    }),
    listed('servers', client.read('fs-list'), (answer) => lists.servers(answer)),
    listed('trunks', client.read('trunk-list'), (answer) => lists.trunks(answer)),
    listed('gateways', client.read('gateway-list'), (answer) => lists.gateways(answer)),
    listed('bans', client.read('ban-list'), (answer) => lists.bans(answer)),
  ];
  await Promise.allSettled(shown);
  refreshAfter(REFRESH_MS);
}

async function listed<T>(
  name: Parameters<Lists['failed']>[0],
  answer: Promise<T>,
  show: (answer: T) => void,
): Promise<void> {
  try {
    show(await answer);
  } catch (error) {
    lists.failed(name, error instanceof Error ? error.message : String(error));
  }
}

function allow(allowed: Allowed): void {
  token.show(allowed);
  acts.isAllowed = allowed.act;
  document.body.classList.toggle('acting', allowed.act);
  isReadable = allowed.read;
  search.again();
  follow();
}

async function start(): Promise<void> {
  try {
    allow(await client.access());
  } catch (error) {
    showLost(error instanceof Error ? error.message : String(error));
    setTimeout(start, REFRESH_MS);
  }
}

document.addEventListener('visibilitychange', follow);
void start();
