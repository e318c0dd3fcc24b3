import { defineCommand } from 'citty';
import type { EventRow } from '../admin/protocol.ts';
import { printable } from '../lib/text.ts';
import { UsageError } from './arguments.ts';
import { interruptSignal } from './interrupt.ts';
import { json, print } from './output.ts';
import { JSON_FLAG, streamFromSidecar } from './sidecar.ts';

const TYPE_WIDTH = 'refreshed-elsewhere'.length;
const MAX_RECENT = 500;
/** Within what a Date can hold. */
const MAX_TIME = 8.64e15;

export default defineCommand({
  meta: { name: 'events', description: 'Follow what happens at the running sidecar, until interrupted' },
  args: {
    aor: { type: 'string', valueHint: 'aor', description: 'Only events of this AOR, user@realm' },
    type: { type: 'string', valueHint: 'list', description: 'Only events of these types, such as registered,refused' },
    recent: { type: 'string', valueHint: 'n', description: `Begin with the last n events, at most ${MAX_RECENT}` },
    json: { ...JSON_FLAG.json, description: 'Print one JSON document per line and nothing else' },
  },
  async run({ args: { aor, type, recent, ...args } }) {
    const filter = {
      ...(aor !== undefined && { aor }),
      ...(type !== undefined && { types: typesIn(type) }),
      ...(recent !== undefined && { recent: countIn(recent) }),
    };
    for await (const { dropped, events } of streamFromSidecar('events', filter, interruptSignal())) {
      const lost = args.json ? json({ dropped }) : `(${dropped} events are missing here: they were not read in time)`;
      const lines = events.map((event) => (args.json ? json(event) : line(event)));
      if (!(await print([...(dropped > 0 ? [lost] : []), ...lines].join('\n')))) return;
    }
  },
});

function typesIn(list: string): string[] {
  return list.split(',').map((type) => type.trim());
}

function countIn(text: string): number {
  const count = /^\d{1,4}$/.test(text) ? Number(text) : Number.NaN;
  if (count <= MAX_RECENT) return count;
  throw new UsageError(`--recent ${text}: expected a number up to ${MAX_RECENT}`);
}

/** `2026-05-04T10:21:07.000Z  registered  john@example.com  presence=online …` */
function line({ id: _, at, type, aor, ...rest }: EventRow): string {
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${shown(name, value)}`);
  const subject = typeof aor === 'string' ? [aor] : [];
  return printable([timeOf(at), type.padEnd(TYPE_WIDTH), ...subject, ...fields].join('  '));
}

/** A text with blanks is quoted, so that it cannot be taken for several fields. */
function shown(name: string, value: unknown): string {
  if (typeof value === 'number' && (name === 'until' || name.endsWith('At'))) return timeOf(value);
  return typeof value === 'string' && /^[^\s"]+$/.test(value) ? value : JSON.stringify(value);
}

function timeOf(ms: number): string {
  return Math.abs(ms) <= MAX_TIME ? new Date(ms).toISOString() : String(ms);
}
