import { defineCommand } from 'citty';
import type { EdgeStatus, Status } from '../admin/protocol.ts';
import { duration } from './duration.ts';
import { type Field, fieldLines } from './fields.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';
import { painter } from './terminal.ts';

type Section = (status: Status) => readonly Field[];

const NAMES = { redis: 'Redis', mysql: 'MySQL', sqlite: 'SQLite', drachtio: 'drachtio', embedded: 'embedded edge' };
const UNKNOWN = 'unknown: the store does not answer';

const SECTIONS: readonly Section[] = [
  ({ version, pid, now, startedAt, ready }) => [
    ['Version', version],
    ['Process', String(pid)],
    ['Uptime', duration(now - startedAt)],
    ['Ready', ready ? 'yes' : 'no', ready ? 'green' : 'red'],
  ],
  ({ sip }) => [
    [
      'SIP server',
      `${NAMES[sip.server]}, ${sip.connected ? 'connected' : 'not connected'}`,
      sip.connected ? undefined : 'red',
    ],
    ['Addresses', sip.hostports.split(',').join('  ')],
  ],
  ({ edge }) => (edge ? messages(edge) : []),
  ({ store, directory, clusterId }) => [
    ['Store', NAMES[store]],
    ['Accounts', NAMES[directory]],
    ['Cluster', clusterId],
  ],
  ({ featureServers: servers, rtpServers }) => [
    ['Feature servers', servers ? `${servers.active} active, ${servers.drained} drained` : UNKNOWN],
    ['RTP servers', rtpServers === null ? UNKNOWN : String(rtpServers)],
  ],
  (status) => [leaseHolder(status), ...outbound(status)],
];

function messages({ retransmissions, refused, malformed, dropped, ...edge }: EdgeStatus): readonly Field[] {
  return [
    ['Connections', String(edge.connections)],
    ['Transactions', `${edge.serverTransactions} server, ${edge.clientTransactions} client`],
    ['Requests', `${edge.requests}, of them ${retransmissions} retransmissions`],
    ['Not served', `${refused} refused, ${malformed} malformed, ${dropped} dropped`],
  ];
}

function leaseHolder({ outbound: { leading, holder }, featureServers }: Status): Field {
  if (leading) return ['Lease holder', 'this sidecar'];
  if (holder !== null) return ['Lease holder', holder];
  return featureServers ? ['Lease holder', 'nobody', 'red'] : ['Lease holder', UNKNOWN];
}

/** Empty unless this sidecar registers or pings. */
function outbound({ outbound: { leading, trunks, gateways } }: Status): readonly Field[] {
  const { up, down, unknown } = gateways;
  if (!leading && trunks.total + up + down + unknown === 0) return [];
  const { total, registered } = trunks;
  return [
    ['Trunks', `${registered} registered of ${total}`, registered < total ? 'yellow' : undefined],
    ['Gateways', `${up} up, ${down} down, ${unknown} unknown`, down > 0 ? 'yellow' : undefined],
  ];
}

export default defineCommand({
  meta: { name: 'status', description: 'Show the state of the running sidecar' },
  args: JSON_FLAG,
  async run({ args }) {
    const status = await askSidecar('status', {});
    const fields = SECTIONS.flatMap((section) => section(status));
    await show(args, status, fieldLines(fields, await painter()));
  },
});
