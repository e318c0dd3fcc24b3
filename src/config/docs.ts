import { allVariables } from './index.ts';
import type { Variable } from './variable.ts';

const TITLES: Readonly<Record<string, string>> = {
  drachtio: 'drachtio',
  redis: 'Redis',
  mysql: 'MySQL',
  secrets: 'Secrets',
  register: 'REGISTER',
  digest: 'Digest authentication',
  webhook: 'Registration webhook',
  platform: 'Platform',
  alerts: 'Alerts',
  embedded: 'Embedded mode',
  servers: 'Feature and RTP servers',
  regbot: 'Outbound registrations',
  ping: 'OPTIONS pings to gateways',
  sbcAddresses: 'Addresses of this SBC',
  abuse: 'Abuse',
  http: 'HTTP',
  statsd: 'statsd',
};

/** docs/configuration.md, written from the table of variables. */
export function configurationDocs(): string {
  const groups = Map.groupBy(allVariables(), ([[group = '']]) => group);
  const sections = [...groups].map(
    ([group, variables]) =>
      `## ${TITLES[group] ?? group}\n\n| variable | values | default | meaning |\n|---|---|---|---|\n${variables
        .map(([, variable]) => row(variable))
        .join('\n')}\n`,
  );
  return `${INTRODUCTION}\n${sections.join('\n')}`;
}

const INTRODUCTION = `# Configuration

<!-- Written by \`npm run docs\` from src/config/variables.ts: change it there. -->

The sidecar reads environment variables, once, at start. \`sbc-sip-sidecar serve --check\` says everything that is wrong with
them, a line each, and exits.

In production the variables of drachtio, Redis (host or sentinels) and MySQL, one of the secrets and
\`JAMBONES_TIME_SERIES_HOST\` are required. With \`--embedded\` none is; one that is given replaces that part of embedded mode:
\`DRACHTIO_HOST\` the SIP edge, \`JAMBONES_REDIS_HOST\` the bindings in SQLite, \`JAMBONES_MYSQL_HOST\` the accounts in SQLite.

On/off takes \`1\` and \`0\`, \`true\` and \`false\`. Variables marked *not yet* are accepted and checked, so that an existing
environment file can be kept, but nothing acts on them in this version.
`;

function row({ name, kind, fallbackText, meaning, planned }: Variable<unknown>): string {
  return `| \`${name}\` | ${kind} | ${fallbackText.replaceAll(',', ', ')} | ${meaning}${planned ? ' *Not yet.*' : ''} |`;
}
