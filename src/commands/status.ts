import { defineCommand } from 'citty';
import type { Status } from '../admin/protocol.ts';
import { duration } from './duration.ts';
import { printable } from './output.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';
import { painter, type Style } from './terminal.ts';

/** What is told of a part of the sidecar: labels, values, and the style of those that call for attention. */
type Section = (status: Status) => readonly (readonly [label: string, value: string, style?: Style | undefined])[];

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
  ({ store, directory, clusterId }) => [
    ['Store', NAMES[store]],
    ['Accounts', NAMES[directory]],
    ['Cluster', clusterId],
  ],
  ({ featureServers: servers, rtpServers }) => [
    ['Feature servers', servers ? `${servers.active} active, ${servers.drained} drained` : UNKNOWN],
    ['RTP servers', rtpServers === null ? UNKNOWN : String(rtpServers)],
  ],
];

export default defineCommand({
  meta: { name: 'status', description: 'Show what the running sidecar is, and whether it is well' },
  args: JSON_FLAG,
  async run({ args }) {
    const status = await askSidecar('status', {});
    const { paint } = await painter();
    const rows = SECTIONS.flatMap((section) => section(status));
    const width = Math.max(...rows.map(([label]) => label.length)) + 2;
    const lines = rows.map(([label, value, style]) => {
      const text = printable(value);
      return `${`${label}:`.padEnd(width)} ${style ? paint(style, text) : text}`;
    });
    await show(args, status, lines.join('\n'));
  },
});
