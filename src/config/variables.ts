import { DEFAULT_SOCKET_PATH } from '../admin/protocol.ts';
import { ALGORITHMS } from '../digest/algorithm.ts';
import { MAX_CONNECTIONS, MAX_CONNECTIONS_PER_SOURCE } from '../edge/limits.ts';
import { ping, regbot, sbcAddresses } from './outbound-variables.ts';
import {
  address,
  choice,
  fieldValue,
  file,
  flag,
  flagOr,
  fraction,
  host,
  hostPort,
  integer,
  list,
  listenAddress,
  listenerName,
  milliseconds,
  network,
  port,
  readableFile,
  seconds,
  text,
  token,
  type Variable,
  word,
} from './variable.ts';

function mysqlServer(prefix: string, whose: string) {
  return {
    host: host(`${prefix}_HOST`, `Host of ${whose}.`),
    port: port(`${prefix}_PORT`, `Port of ${whose}.`, 3306),
    user: text(`${prefix}_USER`, `User at ${whose}.`),
    password: text(`${prefix}_PASSWORD`, `Password at ${whose}.`),
    database: text(`${prefix}_DATABASE`, `Database at ${whose}.`),
    connectionLimit: integer(`${prefix}_CONNECTION_LIMIT`, `Maximum connections to ${whose}.`, 10, {
      min: 1,
      max: 1000,
    }),
  };
}

/** Every variable. Config has the same shape. Values must not be logged: some are secrets. */
export const VARIABLES = {
  drachtio: {
    host: host('DRACHTIO_HOST', 'Host of the drachtio server, typically 127.0.0.1.'),
    port: port('DRACHTIO_PORT', 'Control port of the drachtio server, typically 9022.'),
    secret: text('DRACHTIO_SECRET', 'Shared secret of the drachtio server.'),
  },
  redis: {
    host: host('JAMBONES_REDIS_HOST', 'Redis host; not needed with sentinels.'),
    port: port('JAMBONES_REDIS_PORT', 'Redis port.', 6379),
    username: text('JAMBONES_REDIS_USERNAME', 'Redis ACL user.'),
    password: text('JAMBONES_REDIS_PASSWORD', 'Redis password.'),
    sentinels: list(
      'JAMBONES_REDIS_SENTINELS',
      'Sentinels as host:port, port 26379 unless given.',
      '',
      hostPort(26379),
    ),
    sentinelMasterName: text('JAMBONES_REDIS_SENTINEL_MASTER_NAME', 'Name of the master at the sentinels.'),
    sentinelUsername: text('JAMBONES_REDIS_SENTINEL_USERNAME', 'User at the sentinels.'),
    sentinelPassword: text('JAMBONES_REDIS_SENTINEL_PASSWORD', 'Password of the Redis master behind the sentinels.'),
    sentinelServerPassword: text('JAMBONES_REDIS_SENTINEL_SERVER_PASSWORD', 'Password of the sentinels themselves.'),
    timeoutMs: integer('JAMBONES_REDIS_TIMEOUT_MS', 'Longest wait for an answer of Redis.', 1000, {
      ...milliseconds,
      max: 30_000,
    }),
    tls: flag('ENABLE_JAMBONES_REDIS_TLS', 'Connect with TLS.'),
    tlsCaFile: file('JAMBONES_REDIS_TLS_CA_FILE', 'CA certificate for TLS to Redis.'),
    tlsCertFile: file('JAMBONES_REDIS_TLS_CERT_FILE', 'Client certificate for TLS to Redis.'),
    tlsKeyFile: file('JAMBONES_REDIS_TLS_KEY_FILE', 'Key of the client certificate.'),
  },
  mysql: {
    reader: mysqlServer('JAMBONES_MYSQL', 'MySQL'),
    writer: mysqlServer('JAMBONES_MYSQL_WRITE', 'the MySQL server for writes, if it is a separate one'),
    rejectUnauthorized: flag(
      'JAMBONES_MYSQL_REJECT_UNAUTHORIZED',
      '0: use TLS, but do not check the server’s certificate.',
      true,
    ),
    sslCaFile: file('JAMBONES_MYSQL_SSL_CA_FILE', 'CA certificate; turns TLS on.'),
    sslCertFile: file('JAMBONES_MYSQL_SSL_CERT_FILE', 'Client certificate; turns TLS on.'),
    sslKeyFile: file('JAMBONES_MYSQL_SSL_KEY_FILE', 'Key of the client certificate.'),
    timeoutMs: integer('JAMBONES_MYSQL_TIMEOUT_MS', 'Longest wait for an answer of MySQL.', 2000, {
      ...milliseconds,
      max: 30_000,
    }),
    refreshSeconds: integer('JAMBONES_MYSQL_REFRESH_TTL', 'How long a cached row counts as current.', 30, seconds),
    staleSeconds: integer(
      'JAMBONES_MYSQL_STALE_TTL',
      'How long cached rows are used while MySQL is down.',
      3600,
      seconds,
    ),
    keepAliveMs: integer(
      'JAMBONES_MYSQL_KEEP_ALIVE_INTERVAL_MS',
      'Interval of pings on idle MySQL connections; 0: never.',
      0,
      {
        min: 0,
        unit: 'ms',
      },
    ),
  },
  secrets: {
    encryption: text('ENCRYPTION_SECRET', 'Decrypts client passwords; the key for nonces is derived from it.'),
    jwt: text('JWT_SECRET', 'Deprecated: used when ENCRYPTION_SECRET is not set.'),
    legacyCrypto: flag('LEGACY_CRYPTO', 'Client passwords are encrypted with AES-256-CTR, as on very old systems.'),
  },
  register: {
    defaultExpires: integer('JAMBONES_REGISTER_DEFAULT_EXPIRES', 'Expiry for a REGISTER without one.', 3600, {
      ...seconds,
      min: 1,
    }),
    minExpires: integer(
      'JAMBONES_REGISTER_MIN_EXPIRES',
      'Shorter expiries are answered 423; 0: no minimum.',
      0,
      seconds,
    ),
    maxExpires: integer(
      'JAMBONES_REGISTER_MAX_EXPIRES',
      'Longer expiries are reduced to this; 0: no maximum.',
      0,
      seconds,
    ),
    maxContacts: integer(
      'JAMBONES_REGISTER_MAX_CONTACTS',
      'Simultaneous contacts per user; with 1, a new contact replaces the old one.',
      1,
      { min: 1, max: 10 },
    ),
    allowAuthUser: flagOr(
      'JAMBONES_REGISTER_ALLOW_AUTH_USER',
      'Let a phone register a user name other than the one it authenticates with, in the same realm. `webhook`: only where the account has a webhook. The webhook is then sent `aor` as well.',
      'webhook',
    ),
  },
  digest: {
    algorithms: list(
      'JAMBONES_DIGEST_ALGORITHMS',
      `Algorithms offered in challenges, in order of preference: ${ALGORITHMS.join(', ')}.`,
      'MD5',
      word(ALGORITHMS),
    ),
    nonceTtlSeconds: integer('JAMBONES_DIGEST_NONCE_TTL', 'Lifetime of a nonce.', 300, {
      ...seconds,
      min: 1,
      max: 86400,
    }),
  },
  webhook: {
    timeoutMs: integer('JAMBONES_WEBHOOK_TIMEOUT_MS', 'Time-out of a registration webhook call.', 5000, {
      ...milliseconds,
      max: 30_000,
    }),
    concurrency: integer(
      'JAMBONES_WEBHOOK_CONCURRENCY',
      'Maximum concurrent webhook calls per account; one source address may have a tenth of them.',
      100,
      {
        min: 1,
        max: 10_000,
      },
    ),
    userAgent: fieldValue('JAMBONES_HTTP_USER_AGENT_HEADER', 'User-Agent of webhook calls.'),
  },
  platform: {
    logLevel: choice(
      'JAMBONES_LOGLEVEL',
      'Lowest level that is logged.',
      ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
      'info',
    ),
    hosting: flag(
      'JAMBONES_HOSTING',
      'Hosted platform: rejections of unknown realms give no reason, device limits are enforced.',
    ),
    networks: list(
      'JAMBONES_NETWORK_CIDR',
      'Private networks: an own address in one of them is our private address, and only check-ins from them count.',
      '192.168.0.0/16,172.16.0.0/12,10.0.0.0/8,127.0.0.0/8,::1,fc00::/7',
      network,
    ),
    checkInListeners: list(
      'JAMBONES_CHECKIN_LISTENER',
      'The listeners that alone take check-ins, as ip, ip:port, transport/ip or transport/ip:port, IPv6 in brackets; unset: all do. See security.md.',
      '',
      listenerName,
    ),
    shutdownGraceMs: integer(
      'JAMBONES_SHUTDOWN_GRACE_MS',
      'How long a stopping sidecar waits for requests in flight.',
      5000,
      {
        min: 0,
        max: 600_000,
        unit: 'ms',
      },
    ),
    clusterId: text('JAMBONES_CLUSTER_ID', 'Prefix of the cluster’s keys in Redis.', 'default'),
    socketPath: text(
      'SBC_SOCKET_PATH',
      'Path of the admin socket, for `serve` and all other commands.',
      DEFAULT_SOCKET_PATH,
    ),
  },
  alerts: {
    host: text('JAMBONES_TIME_SERIES_HOST', 'Host of the InfluxDB that keeps alerts; `none`: they go to the log only.'),
    port: port('JAMBONES_TIME_SERIES_PORT', 'InfluxDB port.', 8086),
    token: text('JAMBONES_TIME_SERIES_TOKEN', 'Token for InfluxDB 2; for 1.x with authentication, `user:password`.'),
    org: text('JAMBONES_TIME_SERIES_ORG', 'Organisation; with it, InfluxDB 2 is written to.'),
    bucket: text(
      'JAMBONES_TIME_SERIES_BUCKET',
      'Bucket of InfluxDB 2 for all alerts. Unless given, they go to the buckets `alerts` and `system_alerts`.',
    ),
  },
  embedded: {
    on: flag('SIDECAR_EMBEDDED', 'Run with our own SIP edge and SQLite (`--embedded`).'),
    sip: list(
      'SIDECAR_SIP',
      'Addresses the edge listens on, as proto/ip:port; udp, tcp, tls, ws, wss; port 0 picks a free one (`--sip`).',
      'udp/127.0.0.1:5060,tcp/127.0.0.1:5060,ws/127.0.0.1:5080',
      listenAddress,
    ),
    sharePorts: flag(
      'SIDECAR_SHARE_PORTS',
      'Several sidecars on one machine listen on the same addresses and share the phones (SO_REUSEPORT, Linux). Needs Redis and MySQL; see scaling.md.',
    ),
    data: text('SIDECAR_DATA', 'Directory of the SQLite database (`--data`).', './sidecar-data'),
    provision: text('SIDECAR_PROVISION', 'TOML file with accounts, clients and carriers (`--provision`).'),
    externalIp: address('SIDECAR_EXTERNAL_IP', 'Address to announce when behind NAT (`--external-ip`).'),
    tlsCerts: list(
      'SIDECAR_TLS_CERT',
      'Certificates for TLS and WSS, PEM files, reloaded on SIGHUP. The one that matches SNI is used, else the first (`--tls-cert`).',
      '',
      readableFile,
    ),
    tlsKeys: list(
      'SIDECAR_TLS_KEY',
      'Keys of the certificates, in the same order, PEM files without a passphrase (`--tls-key`).',
      '',
      readableFile,
    ),
    connectionsPerSource: integer(
      'SIDECAR_CONNECTIONS_PER_SOURCE',
      'Maximum connections to the edge per IPv4 address or IPv6 /64; loopback and `JAMBONES_NETWORK_CIDR` are exempt.',
      MAX_CONNECTIONS_PER_SOURCE,
      { min: 1, max: MAX_CONNECTIONS },
    ),
    tlsVerify: flag(
      'SIDECAR_TLS_VERIFY',
      'On outbound TLS connections, check that the certificate is valid for the outbound proxy, the gateway or the realm.',
      true,
    ),
  },
  servers: {
    checkMs: integer(
      'CHECK_EXPIRES_INTERVAL',
      'Interval of checks for silent feature and RTP servers.',
      20_000,
      milliseconds,
    ),
    expiresMs: integer(
      'EXPIRES_INTERVAL',
      'Silence after which a server is taken out of service.',
      60_000,
      milliseconds,
    ),
  },
  regbot,
  ping,
  sbcAddresses,
  abuse: {
    banThreshold: integer('JAMBONES_BAN_THRESHOLD', 'Score at which an address is banned; see security.md.', 250, {
      min: 1,
      max: 1_000_000,
      unit: 'points',
    }),
    banSeconds: integer(
      'JAMBONES_BAN_SECONDS',
      'Length of a first ban; each repetition within an hour doubles it, up to an hour.',
      300,
      { min: 1, max: 3600, unit: 's' },
    ),
    banExempt: list(
      'JAMBONES_BAN_EXEMPT',
      'Networks that are never banned, besides `JAMBONES_NETWORK_CIDR`.',
      '',
      network,
    ),
    banRedisKey: text(
      'JAMBONES_BAN_REDIS_KEY',
      'Redis set that holds the banned addresses, for a drachtio server with `--blacklist-redis-key`; of no use with drachtio 0.8.24 to 0.9.10, see security.md.',
    ),
    connectionLostGraceSeconds: integer(
      'JAMBONES_CONNECTION_LOST_GRACE_SECONDS',
      'How long bindings outlive their connection; 0: until they expire.',
      10,
      seconds,
    ),
  },
  events: {
    stream: text(
      'JAMBONES_EVENTS_STREAM',
      'Redis stream that every event is written to, for other services; see events.md. Needs Redis.',
    ),
  },
  http: {
    port: port('HTTP_PORT', 'Port for health checks, Prometheus metrics and the status page; off when not set.'),
    host: host('HTTP_HOST', 'Listen address for HTTP, or a name of this machine.', '127.0.0.1'),
    adminToken: token(
      'HTTP_ADMIN_TOKEN',
      'Lets its holder act on the status page, and read it when HTTP_HOST is not loopback; at least 16 characters.',
    ),
  },
  statsd: {
    on: flag('ENABLE_METRICS', 'Send metrics to statsd.'),
    host: host('STATS_HOST', 'Host of statsd.', '127.0.0.1'),
    port: port('STATS_PORT', 'Port of statsd.', 8125),
    protocol: choice('STATS_PROTOCOL', 'Transport to statsd.', ['udp', 'tcp'], 'udp'),
    prefix: text('STATS_PREFIX', 'Prefix of all metric names; a dot follows it.'),
    telegraf: flag('STATS_TELEGRAF', 'Use Telegraf’s tag format in place of Datadog’s.'),
    sampleRate: fraction('STATS_SAMPLE_RATE', 'Fraction of time measurements that are sent; gauges always are.', 1),
    tags: list('STATS_TAGS', 'Tags on every metric, as name:value.', '', (tag) => tag),
  },
} as const;

export interface VariableTree {
  readonly [name: string]: Variable<unknown> | VariableTree;
}
export type ValuesOf<T> = {
  readonly [K in keyof T]: T[K] extends Variable<infer V> ? V : ValuesOf<T[K]>;
};

export function isVariable(node: unknown): node is Variable<unknown> {
  return typeof node === 'object' && node !== null && 'parse' in node;
}
