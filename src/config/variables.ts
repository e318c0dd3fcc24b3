import { DEFAULT_SOCKET_PATH } from '../admin/protocol.ts';
import { ALGORITHMS } from '../digest/algorithm.ts';
import { MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE } from '../edge/limits.ts';
import {
  address,
  choice,
  file,
  flag,
  fraction,
  hostPort,
  integer,
  list,
  listenAddress,
  network,
  port,
  readableFile,
  sipCode,
  text,
  type Variable,
  word,
} from './variable.ts';

const PLANNED = { planned: true } as const;
const seconds = { min: 0, max: 2 ** 32 - 1, unit: 's' } as const;
const milliseconds = { min: 1, unit: 'ms' } as const;

function mysqlServer(prefix: string, whose: string) {
  return {
    host: text(`${prefix}_HOST`, `Host of ${whose}.`),
    port: port(`${prefix}_PORT`, `Port of ${whose}.`, 3306),
    user: text(`${prefix}_USER`, `User at ${whose}.`),
    password: text(`${prefix}_PASSWORD`, `Password at ${whose}.`),
    database: text(`${prefix}_DATABASE`, `Database at ${whose}.`),
    connectionLimit: integer(`${prefix}_CONNECTION_LIMIT`, `Connections kept to ${whose}.`, 10, { min: 1, max: 1000 }),
  };
}

/**
 * Every variable of the sidecar, once: the Config object has this shape, docs/configuration.md is written from it.
 * Passwords and secrets are named so in their variable; nothing here is ever logged.
 */
export const VARIABLES = {
  drachtio: {
    host: text('DRACHTIO_HOST', 'Host of the drachtio server, typically 127.0.0.1.'),
    port: port('DRACHTIO_PORT', 'Its control port, typically 9022.'),
    secret: text('DRACHTIO_SECRET', 'Its shared secret.'),
  },
  redis: {
    host: text('JAMBONES_REDIS_HOST', 'Redis host; not needed with sentinels.'),
    port: port('JAMBONES_REDIS_PORT', 'Redis port.', 6379),
    username: text('JAMBONES_REDIS_USERNAME', 'Redis ACL user.'),
    password: text('JAMBONES_REDIS_PASSWORD', 'Redis password.'),
    sentinels: list(
      'JAMBONES_REDIS_SENTINELS',
      'Sentinels as host:port, port 26379 unless given.',
      '',
      hostPort(26379),
    ),
    sentinelMasterName: text('JAMBONES_REDIS_SENTINEL_MASTER_NAME', 'What the sentinels call the master.'),
    sentinelUsername: text('JAMBONES_REDIS_SENTINEL_USERNAME', 'User at the sentinels.'),
    sentinelPassword: text('JAMBONES_REDIS_SENTINEL_PASSWORD', 'Password of the master that the sentinels name.'),
    sentinelServerPassword: text('JAMBONES_REDIS_SENTINEL_SERVER_PASSWORD', 'Password of the sentinels themselves.'),
    tls: flag('ENABLE_JAMBONES_REDIS_TLS', 'Connect with TLS.'),
    tlsCaFile: file('JAMBONES_REDIS_TLS_CA_FILE', 'CA certificate for it.'),
    tlsCertFile: file('JAMBONES_REDIS_TLS_CERT_FILE', 'Our certificate.'),
    tlsKeyFile: file('JAMBONES_REDIS_TLS_KEY_FILE', 'Our key.'),
  },
  mysql: {
    reader: mysqlServer('JAMBONES_MYSQL', 'MySQL'),
    writer: mysqlServer('JAMBONES_MYSQL_WRITE', 'the MySQL server that takes writes, when it is another one'),
    rejectUnauthorized: flag('JAMBONES_MYSQL_REJECT_UNAUTHORIZED', '0: TLS without checking the certificate.', true),
    sslCaFile: file('JAMBONES_MYSQL_SSL_CA_FILE', 'CA certificate; turns TLS on.'),
    sslCertFile: file('JAMBONES_MYSQL_SSL_CERT_FILE', 'Our certificate; turns TLS on.'),
    sslKeyFile: file('JAMBONES_MYSQL_SSL_KEY_FILE', 'Our key.'),
    refreshSeconds: integer('JAMBONES_MYSQL_REFRESH_TTL', 'How long a row is taken for current.', 30, seconds),
    staleSeconds: integer(
      'JAMBONES_MYSQL_STALE_TTL',
      'How long cached rows serve on while MySQL is down.',
      3600,
      seconds,
    ),
    keepAliveMs: integer(
      'JAMBONES_MYSQL_KEEP_ALIVE_INTERVAL_MS',
      'Ping idle MySQL connections so often; 0: never.',
      0,
      {
        min: 0,
        unit: 'ms',
      },
    ),
  },
  secrets: {
    encryption: text(
      'ENCRYPTION_SECRET',
      'Decrypts the clients’ passwords; nonces are made with a key derived from it.',
    ),
    jwt: text('JWT_SECRET', 'Deprecated: taken when ENCRYPTION_SECRET is not set.'),
    legacyCrypto: flag('LEGACY_CRYPTO', 'Client passwords are under AES-256-CTR, as very old systems have them.'),
  },
  register: {
    defaultExpires: integer('JAMBONES_REGISTER_DEFAULT_EXPIRES', 'For a REGISTER that names no expiry.', 3600, {
      ...seconds,
      min: 1,
    }),
    minExpires: integer('JAMBONES_REGISTER_MIN_EXPIRES', 'Shorter ones are answered 423; 0: none.', 0, seconds),
    maxExpires: integer('JAMBONES_REGISTER_MAX_EXPIRES', 'Longer ones are granted this; 0: no maximum.', 0, seconds),
    maxContacts: integer(
      'JAMBONES_REGISTER_MAX_CONTACTS',
      'Contacts side by side for one user; with 1 the newest replaces the one before.',
      1,
      { min: 1, max: 10 },
    ),
    allowAuthUser: flag(
      'JAMBONES_REGISTER_ALLOW_AUTH_USER',
      'Let a client register another user name of its realm than the one it authenticates with.',
    ),
  },
  digest: {
    algorithms: list(
      'JAMBONES_DIGEST_ALGORITHMS',
      `Offered in challenges, the preferred one first: ${ALGORITHMS.join(', ')}.`,
      'MD5',
      word(ALGORITHMS),
    ),
    nonceTtlSeconds: integer('JAMBONES_DIGEST_NONCE_TTL', 'Life of a nonce.', 300, { ...seconds, min: 1, max: 86400 }),
  },
  webhook: {
    timeoutMs: integer('JAMBONES_WEBHOOK_TIMEOUT_MS', 'For a whole registration webhook call.', 5000, {
      ...milliseconds,
      max: 30_000,
    }),
    concurrency: integer('JAMBONES_WEBHOOK_CONCURRENCY', 'Webhook calls at a time, for each account.', 100, {
      min: 1,
      max: 10_000,
    }),
    userAgent: text('JAMBONES_HTTP_USER_AGENT_HEADER', 'User-Agent of webhook calls.'),
  },
  platform: {
    logLevel: choice(
      'JAMBONES_LOGLEVEL',
      'What is logged.',
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
      'info',
    ),
    hosting: flag('JAMBONES_HOSTING', 'Hosted platform: unknown realms get no explanation, device limits hold.'),
    networks: list(
      'JAMBONES_NETWORK_CIDR',
      'Private networks: which own address is the private one, and whose check-ins count.',
      '192.168.0.0/16,172.16.0.0/12,10.0.0.0/8,127.0.0.0/8,::1,fc00::/7',
      network,
    ),
    shutdownGraceMs: integer(
      'JAMBONES_SHUTDOWN_GRACE_MS',
      'For requests in flight when the process is told to stop.',
      5000,
      {
        min: 0,
        max: 600_000,
        unit: 'ms',
      },
    ),
    clusterId: text('JAMBONES_CLUSTER_ID', 'Prefix of the cluster’s keys in Redis.', 'default'),
    socketPath: text('SBC_SOCKET_PATH', 'Admin socket, for `serve` and for every other command.', DEFAULT_SOCKET_PATH),
  },
  alerts: {
    host: text(
      'JAMBONES_TIME_SERIES_HOST',
      'InfluxDB for alerts; `none` switches alerts to the log, where they all go for now.',
    ),
    port: port('JAMBONES_TIME_SERIES_PORT', 'Its port.', 8086, PLANNED),
    token: text('JAMBONES_TIME_SERIES_TOKEN', 'Token for InfluxDB 2.', '', PLANNED),
    org: text('JAMBONES_TIME_SERIES_ORG', 'Organisation for InfluxDB 2.', '', PLANNED),
    bucket: text('JAMBONES_TIME_SERIES_BUCKET', 'Bucket for InfluxDB 2.', '', PLANNED),
  },
  embedded: {
    on: flag('SIDECAR_EMBEDDED', 'Run with our own SIP edge and SQLite (`--embedded`).'),
    sip: list(
      'SIDECAR_SIP',
      'Addresses the edge listens on, as proto/ip:port; udp, tcp, tls, ws, wss; port 0 picks a free one (`--sip`).',
      'udp/127.0.0.1:5060,tcp/127.0.0.1:5060,ws/127.0.0.1:5080',
      listenAddress,
    ),
    data: text('SIDECAR_DATA', 'Directory of the SQLite database (`--data`).', './sidecar-data'),
    provision: text('SIDECAR_PROVISION', 'TOML file with accounts, clients and carriers (`--provision`).'),
    externalIp: address('SIDECAR_EXTERNAL_IP', 'Address to announce when behind NAT (`--external-ip`).'),
    tlsCerts: list(
      'SIDECAR_TLS_CERT',
      'Certificates for TLS and WSS, PEM files; read again on SIGHUP. A client gets that for the name it asks for (SNI), else the first (`--tls-cert`).',
      '',
      readableFile,
    ),
    tlsKeys: list(
      'SIDECAR_TLS_KEY',
      'Their keys in the same order, PEM without a passphrase (`--tls-key`).',
      '',
      readableFile,
    ),
    connectionsPerSource: integer(
      'SIDECAR_CONNECTIONS_PER_SOURCE',
      'Connections to the edge from one address, or from one /64 of IPv6; loopback and `JAMBONES_NETWORK_CIDR` are exempt.',
      MAX_CONNECTIONS_PER_SOURCE,
      { min: 1, max: MAX_CONNECTIONS },
    ),
    tlsVerify: flag(
      'SIDECAR_TLS_VERIFY',
      'A server that we connect to by TLS must prove the host of the Request-URI, or its address when that is one.',
      true,
    ),
  },
  servers: {
    checkMs: integer(
      'CHECK_EXPIRES_INTERVAL',
      'How often silent feature and RTP servers are looked for.',
      20_000,
      milliseconds,
    ),
    expiresMs: integer('EXPIRES_INTERVAL', 'Silence after which they are taken out.', 60_000, milliseconds),
  },
  regbot: {
    defaultExpires: integer('JAMBONES_REGBOT_DEFAULT_EXPIRES_INTERVAL', 'Expiry asked of carriers.', 3600, {
      ...seconds,
      min: 1,
    }),
    minExpires: integer('JAMBONES_REGBOT_MIN_EXPIRES_INTERVAL', 'Shortest expiry believed.', 30, seconds),
    contactUseIp: flag('JAMBONES_REGBOT_CONTACT_USE_IP', 'Register with our public address in Contact.'),
    userAgent: text('JAMBONES_REGBOT_USER_AGENT', 'User-Agent of outbound registrations.', ''),
    batchSize: integer('JAMBONES_REGBOT_BATCH_SIZE', 'Registrations started together.', 10, { min: 1 }),
    batchSleepMs: integer('JAMBONES_REGBOT_BATCH_SLEEP_MS', 'Pause between batches.', 250, milliseconds),
    failureRetrySeconds: integer(
      'JAMBONES_REGBOT_FAILURE_RETRY_INTERVAL',
      'Longest wait after a failure.',
      300,
      seconds,
    ),
    failureThreshold: integer(
      'JAMBONES_REGBOT_REGISTER_FAILURE_THRESHOLD',
      'Failures in a row that switch a registration off.',
      3,
      { min: 1 },
    ),
    leaseSeconds: integer('JAMBONES_REGBOT_LEASE_SECONDS', 'Length of the lease.', 30, { ...seconds, min: 3 }),
    refreshSeconds: integer('JAMBONES_REGBOT_REFRESH_SECONDS', 'How often carriers are read again.', 60, {
      ...seconds,
      min: 1,
    }),
    removeCodes: list('REGISTER_RESPONSE_REMOVE', 'SIP codes that count as such failures.', '', sipCode),
  },
  ping: {
    intervalSeconds: integer('SEND_OPTIONS_PING_INTERVAL', 'Between pings of a gateway.', 60, { ...seconds, min: 1 }),
    ttlSeconds: integer('OPTIONS_PING_TTL', 'How long a gateway stays out after a failed ping.', 300, {
      ...seconds,
      min: 1,
    }),
    failureThreshold: integer('OPTIONS_PING_FAILURE_THRESHOLD', 'Missed pings in a row that count.', 1, {
      min: 1,
    }),
    all: flag('JAMBONES_OPTIONS_PING_ALL', 'Every SBC pings, not only the lease holder.'),
    removeCodes: list('OPTIONS_RESPONSE_REMOVE', 'SIP codes that switch a gateway’s pings off.', '', sipCode),
  },
  sbcAddresses: {
    keepAliveMs: integer(
      'SBC_PUBLIC_ADDRESS_KEEP_ALIVE_IN_MILISECOND',
      'How often our addresses are announced.',
      900_000,
      milliseconds,
    ),
    deadSeconds: integer('DEAD_SBC_IN_SECOND', 'Age after which addresses are removed.', 3600, seconds),
  },
  abuse: {
    banThreshold: integer('JAMBONES_BAN_THRESHOLD', 'Failures a minute that ban an address.', 50, {
      min: 1,
      ...PLANNED,
    }),
    banSeconds: integer('JAMBONES_BAN_SECONDS', 'Length of a ban.', 300, { ...seconds, ...PLANNED }),
    connectionLostGraceSeconds: integer(
      'JAMBONES_CONNECTION_LOST_GRACE_SECONDS',
      'Bindings outlive their connection so long; 0: until they expire.',
      10,
      seconds,
    ),
  },
  http: {
    port: port('HTTP_PORT', 'Health, metrics and status page.', 0, PLANNED),
    host: text('HTTP_HOST', 'Address it listens on.', '127.0.0.1', PLANNED),
    adminToken: text('HTTP_ADMIN_TOKEN', 'Token that admin requests carry.', '', PLANNED),
  },
  statsd: {
    on: flag('ENABLE_METRICS', 'Send metrics to statsd.', false, PLANNED),
    host: text('STATS_HOST', 'Host of statsd.', '', PLANNED),
    port: port('STATS_PORT', 'Its port.', 8125, PLANNED),
    protocol: choice('STATS_PROTOCOL', 'Transport.', ['udp', 'tcp'], 'udp', PLANNED),
    prefix: text('STATS_PREFIX', 'Prefix of all names.', '', PLANNED),
    telegraf: flag('STATS_TELEGRAF', 'Write tags as Telegraf reads them.', false, PLANNED),
    sampleRate: fraction('STATS_SAMPLE_RATE', 'Share of events that are sent.', 1, PLANNED),
    tags: text('STATS_TAGS', 'Tags on every metric.', '', PLANNED),
  },
} as const;

/** A tree of variables, and the same tree with their values. */
export interface VariableTree {
  readonly [name: string]: Variable<unknown> | VariableTree;
}
export type ValuesOf<T> = {
  readonly [K in keyof T]: T[K] extends Variable<infer V> ? V : ValuesOf<T[K]>;
};

export function isVariable(node: unknown): node is Variable<unknown> {
  return typeof node === 'object' && node !== null && 'parse' in node;
}
