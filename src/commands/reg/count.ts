import { defineCommand } from 'citty';
import type { BindingRow } from '../../admin/protocol.ts';
import { NOTHING } from '../outbound.ts';
import { json, print } from '../output.ts';
import { JSON_FLAG, streamFromSidecar } from '../sidecar.ts';
import { type Column, table } from '../table.ts';
import { painter } from '../terminal.ts';

type Value = (binding: BindingRow) => string | null;

const VALUES: Readonly<Record<string, Value>> = {
  realm: ({ aor }) => aor.slice(aor.lastIndexOf('@') + 1),
  transport: ({ transport }) => transport,
  'user-agent': ({ userAgent }) => userAgent,
};
/** Phones may send any text as their user agent; bindings with further values are counted together. */
const MAX_VALUES = 10_000;

interface Count {
  /** null: unknown, or one of too many. */
  readonly value: string | null;
  readonly bindings: number;
}

export default defineCommand({
  meta: { name: 'count', description: 'Count the bindings of phones at all sidecars of the cluster' },
  args: {
    by: {
      type: 'enum',
      valueHint: 'field',
      options: Object.keys(VALUES),
      description: 'Count apart by realm, transport or user-agent',
    },
    ...JSON_FLAG,
  },
  async run({ args: { by, ...args } }) {
    const read = by === undefined ? undefined : VALUES[by];
    const counts = new Map<string | null, number>();
    let [bindings, aors] = [0, 0];
    for await (const part of streamFromSidecar('reg-list', {})) {
      bindings += part.bindings.length;
      aors += new Set(part.bindings.map(({ aor }) => aor)).size;
      for (const binding of read ? part.bindings : []) {
        const value = read?.(binding) ?? null;
        const key = counts.has(value) || counts.size < MAX_VALUES ? value : null;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    const total = { bindings, aors };
    const rows = [...counts].map(([value, count]) => ({ value, bindings: count }));
    rows.sort((a, b) => b.bindings - a.bindings);
    if (args.json) await print(json({ success: true, ...total, ...(by !== undefined && { by, counts: rows }) }));
    else await print(await listing(total, by, rows));
  },
});

async function listing(
  { bindings, aors }: { readonly bindings: number; readonly aors: number },
  by: string | undefined,
  rows: readonly Count[],
): Promise<string> {
  const total = `${bindings} ${bindings === 1 ? 'binding' : 'bindings'} of ${aors} ${aors === 1 ? 'AOR' : 'AORs'}`;
  if (by === undefined || rows.length === 0) return total;
  const columns: readonly Column<Count>[] = [
    { head: by.toUpperCase(), cell: ({ value }) => value ?? NOTHING },
    { head: 'BINDINGS', cell: (row) => String(row.bindings), alignRight: true },
  ];
  return `${total}\n${table(rows, columns, await painter())}`;
}
