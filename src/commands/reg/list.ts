import { defineCommand } from 'citty';
import { type BindingRow, TRANSPORTS } from '../../admin/protocol.ts';
import { until } from '../duration.ts';
import { NOTHING } from '../outbound.ts';
import { json, print, printError } from '../output.ts';
import { Failure } from '../run.ts';
import { JSON_FLAG, streamFromSidecar } from '../sidecar.ts';
import { StreamedTable } from '../streamed-table.ts';
import type { Column } from '../table.ts';

type Parts = ReturnType<typeof streamFromSidecar<'reg-list'>>;

const MAX_CONTACT = 64;
const MAX_USER_AGENT = 40;

export default defineCommand({
  meta: { name: 'list', description: 'Show the bindings of phones at all sidecars of the cluster, in no order' },
  args: {
    aor: { type: 'string', valueHint: 'text', description: 'Only AORs with this text in them, in any case' },
    realm: { type: 'string', valueHint: 'realm', description: 'Only AORs of this realm and its sub-domains' },
    source: { type: 'string', valueHint: 'ip', description: 'Only bindings made from this address' },
    transport: {
      type: 'enum',
      valueHint: 'name',
      options: [...TRANSPORTS],
      description: 'Only bindings over udp, tcp, tls, ws or wss',
    },
    ...JSON_FLAG,
  },
  async run({ args: { aor, realm, source, transport, ...args } }) {
    const parts = streamFromSidecar('reg-list', {
      ...(aor !== undefined && { aor }),
      ...(realm !== undefined && { realm }),
      ...(source !== undefined && { source }),
      ...(transport !== undefined && { transport }),
    });
    await (args.json ? printDocument(parts) : printTable(parts));
  },
});

async function printTable(parts: Parts): Promise<void> {
  let table: StreamedTable<BindingRow> | undefined;
  for await (const { bindings, now } of parts) {
    if (bindings.length === 0) continue;
    const isFirst = table === undefined;
    table ??= new StreamedTable(columns(now));
    const lines = table.lines(bindings);
    if (!(await print(isFirst ? `Registrations:\n${lines}` : lines))) return;
  }
  if (!table) await print('No registrations');
}

/** One JSON document, a binding per line. Whether the list is complete is known at its end. */
async function printDocument(parts: Parts): Promise<void> {
  let head = '{"bindings":[\n';
  try {
    for await (const { bindings } of parts) {
      if (bindings.length === 0) continue;
      if (!(await print(head + bindings.map(json).join(',\n')))) return;
      head = ',';
    }
    await print(head === ',' ? '],"success":true}' : '{"bindings":[],"success":true}');
  } catch (error) {
    if (head !== ',' || !(error instanceof Failure)) throw error;
    await print(`],"success":false,"error":${json(error.message)}}`);
    await printError(error.message);
    process.exitCode = error.exitCode;
  }
}

/** @param now when the list began, milliseconds since the epoch */
function columns(now: number): readonly Column<BindingRow>[] {
  return [
    { head: 'AOR', cell: ({ aor }) => aor },
    { head: 'CONTACT', cell: ({ contact }) => contact, max: MAX_CONTACT },
    { head: 'TRANSPORT', cell: ({ transport }) => transport ?? NOTHING },
    { head: 'SOURCE', cell: ({ source }) => source ?? NOTHING },
    { head: 'EXPIRES', cell: ({ expiresAt }) => until(expiresAt, now, NOTHING) },
    { head: 'USER AGENT', cell: ({ userAgent }) => userAgent ?? NOTHING, max: MAX_USER_AGENT },
  ];
}
