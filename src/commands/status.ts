import { defineCommand } from 'citty';
import type { DependencyRow, EdgeStatus, Status } from '../admin/protocol.ts';
import { duration } from './duration.ts';
import { type Field, fieldLines } from './fields.ts';
import { print } from './output.ts';
import { EXIT } from './run.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';
import { painter } from './terminal.ts';

type Section = (status: Status) => readonly Field[];

const ROLES = {
  sip: 'SIP server',
  store: 'Store',
  database: 'Accounts',
  'database writer': 'Writer',
  alerts: 'Alerts',
};
const READINESS = { ready: ['yes', 'green'], degraded: ['degraded', 'yellow'], 'not ready': ['no', 'red'] } as const;
const UNKNOWN = 'unknown: the store does not answer';

const SECTIONS: readonly Section[] = [
  (status) => [
    ['Version', status.version],
    ['Process', String(status.pid)],
    ['Uptime', duration(status.now - status.startedAt)],
    readiness(status),
  ],
  ({ dependencies, now }) => dependencies.map((one) => dependency(one, now)),
  ({ sip }) => [['Addresses', sip.hostports.split(',').join('  ')]],
  ({ edge }) => (edge ? messages(edge) : []),
  ({ clusterId }) => [['Cluster', clusterId]],
  ({ registeredAors, featureServers: servers, rtpServers }) => [
    ['Registered', registeredAors === null ? UNKNOWN : `${registeredAors} AORs`],
    ['Feature servers', servers ? `${servers.active} active, ${servers.drained} drained` : UNKNOWN],
    ['RTP servers', rtpServers === null ? UNKNOWN : String(rtpServers)],
  ],
  ({ bans, edge }) => [['Banned', banned(bans, edge)]],
  ({ alerts }) => (alerts ? undelivered(alerts) : []),
  (status) => [leaseHolder(status), ...outbound(status)],
];

function readiness({ readiness, notReadyBecause }: Status): Field {
  const [word, colour] = READINESS[readiness];
  return ['Ready', notReadyBecause === null ? word : `${word}: ${notReadyBecause}`, colour];
}

function dependency({ role, name, address, state, since, why }: DependencyRow, now: number): Field {
  const lasting = `${state === 'unknown' ? 'not answered' : state} for ${duration(now - since)}`;
  const text = `${name} ${address}, ${lasting}${why === null ? '' : `: ${why}`}`;
  return [ROLES[role], text, state === 'up' ? undefined : 'red'];
}

function messages({ retransmissions, refused, malformed, dropped, ...edge }: EdgeStatus): readonly Field[] {
  return [
    ['Connections', String(edge.connections)],
    ['Transactions', `${edge.serverTransactions} server, ${edge.clientTransactions} client`],
    ['Requests', `${edge.requests}, of them ${retransmissions} retransmissions`],
    ['Not served', `${refused} refused, ${malformed} malformed, ${dropped} dropped`],
  ];
}

function banned(bans: number, edge: EdgeStatus | null): string {
  const sources = `${bans} ${bans === 1 ? 'source' : 'sources'}`;
  return edge ? `${sources}, ${edge.banned} messages and connections discarded` : sources;
}

/** Empty when every alert has been saved, or soon will be. */
function undelivered({ waiting, dropped }: NonNullable<Status['alerts']>): readonly Field[] {
  if (waiting + dropped === 0) return [];
  return [['Unsaved alerts', `${waiting} waiting, ${dropped} dropped`, dropped > 0 ? 'yellow' : undefined]];
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
  args: {
    ...JSON_FLAG,
    ready: { type: 'boolean', description: 'Print only ready, degraded or not ready' },
  },
  async run({ args }) {
    const status = await askSidecar('status', {});
    if (!status.ready) process.exitCode = EXIT.notReady;
    if (args.ready && !args.json) return void (await print(status.readiness));
    const fields = SECTIONS.flatMap((section) => section(status));
    await show(args, status, fieldLines(fields, await painter()));
  },
});
