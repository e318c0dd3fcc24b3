import type { GatewayRow, Leadership } from '../admin/protocol.ts';
import { printable } from '../lib/text.ts';
import { beginnings } from './fit.ts';
import type { Column } from './table.ts';

type Target = Pick<GatewayRow, 'carrier' | 'gateway' | 'host' | 'port' | 'transport'>;

/** Placeholder for a missing value. */
export const NOTHING = '-';
/** Longest answer in a table, characters; `trunk show` prints all of it. */
export const MAX_ANSWER = 48;

/** Characters of a SID on a narrow terminal, unless more are needed to tell it from the others. */
const MIN_SID = 8;

export const CARRIER: Column<Pick<Target, 'carrier'>> = { head: 'CARRIER', cell: ({ carrier }) => carrier, min: 10 };
/** Whole, or as much of it as other commands need: operators paste it. Last in the row. */
export const SID: Column<{ readonly gateway: string | null }> = {
  head: 'SID',
  cell: ({ gateway }) => gateway ?? NOTHING,
  short: (cells) => beginnings(cells, MIN_SID),
};

/** `udp/192.0.2.1:5060`, `tls/[2001:db8::1]`; without a port when it comes from DNS. */
export function addressOf({ transport, host, port }: Target): string {
  const inBrackets = host.includes(':') ? `[${host}]` : host;
  return `${transport}/${inBrackets}${port === null ? '' : `:${port}`}`;
}

export function sorted<T extends { readonly carrier: string; readonly gateway: string | null; readonly host?: string }>(
  targets: readonly T[],
): T[] {
  const { compare } = new Intl.Collator('en', { numeric: true });
  return targets.toSorted(
    (a, b) =>
      compare(a.carrier, b.carrier) || compare(a.host ?? '', b.host ?? '') || compare(a.gateway ?? '', b.gateway ?? ''),
  );
}

/** Joins the paragraphs; adds a first line that names the leader unless it is this sidecar. */
export function underLeadership({ leading, holder }: Leadership, ...paragraphs: readonly string[]): string {
  const list = paragraphs.join('\n\n');
  if (leading) return list;
  const who =
    holder === null
      ? 'No sidecar registers at carriers now'
      : `Another sidecar registers at carriers: ${printable(holder)}`;
  return `${who}\n${list}`;
}
