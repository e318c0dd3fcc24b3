import { describe, expect, test } from 'bun:test';
import { ConfigError, readConfig } from '../../src/config/index.ts';

const PRODUCTION = {
  DRACHTIO_HOST: '127.0.0.1',
  DRACHTIO_PORT: '9022',
  DRACHTIO_SECRET: 'cymru',
  JAMBONES_REDIS_HOST: '127.0.0.1',
  JAMBONES_MYSQL_HOST: '127.0.0.1',
  JAMBONES_MYSQL_USER: 'u',
  JAMBONES_MYSQL_PASSWORD: 'p',
  JAMBONES_MYSQL_DATABASE: 'jambones',
  ENCRYPTION_SECRET: 's',
  JAMBONES_TIME_SERIES_HOST: '127.0.0.1',
};

/** A readable file. */
const FILE = import.meta.path;

function problems(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
}

describe('configuration', () => {
  test('in production, reports all missing variables at once', () => {
    const missing = problems({});
    for (const name of Object.keys(PRODUCTION)) expect(missing.join('\n')).toContain(`${name} `);
    expect(missing).toHaveLength(10);
    expect(problems(PRODUCTION)).toEqual([]);
  });

  test('an organisation of InfluxDB requires a token, and a bucket an organisation', () => {
    const influx = { JAMBONES_TIME_SERIES_ORG: 'o', JAMBONES_TIME_SERIES_TOKEN: 't', JAMBONES_TIME_SERIES_BUCKET: 'b' };
    const { JAMBONES_TIME_SERIES_TOKEN, ...noToken } = influx;
    const { JAMBONES_TIME_SERIES_ORG, ...noOrg } = influx;
    expect(problems({ ...PRODUCTION, ...influx })).toEqual([]);
    expect(problems({ ...PRODUCTION, ...noToken })).toEqual([
      'JAMBONES_TIME_SERIES_TOKEN is missing: JAMBONES_TIME_SERIES_ORG needs it',
    ]);
    expect(problems({ ...PRODUCTION, ...noOrg })).toEqual([
      'JAMBONES_TIME_SERIES_ORG is missing: JAMBONES_TIME_SERIES_BUCKET needs it',
    ]);
    // InfluxDB 1.x has no organisations.
    expect(problems({ ...PRODUCTION, JAMBONES_TIME_SERIES_TOKEN })).toEqual([]);
  });

  test('embedded mode requires no variables', () => {
    const config = readConfig({ SIDECAR_EMBEDDED: '1' });
    expect(config.parts).toEqual({ sip: 'edge', store: 'sqlite', directory: 'sqlite' });
    expect(config.encryptionSecret).toBeUndefined();
  });

  const mixed: [Record<string, string>, object][] = [
    [
      { DRACHTIO_HOST: 'h', DRACHTIO_PORT: '1', DRACHTIO_SECRET: 's' },
      { sip: 'drachtio', store: 'sqlite', directory: 'sqlite' },
    ],
    [{ JAMBONES_REDIS_HOST: 'h' }, { sip: 'edge', store: 'redis', directory: 'sqlite' }],
    [
      { JAMBONES_REDIS_SENTINELS: 'a:1,b', JAMBONES_REDIS_SENTINEL_MASTER_NAME: 'm' },
      { sip: 'edge', store: 'redis', directory: 'sqlite' },
    ],
  ];
  test.each(mixed)('embedded mode with %o replaces that part', (env, parts) => {
    expect(readConfig({ SIDECAR_EMBEDDED: '1', ...env }).parts).toEqual(parts as never);
  });

  test('tls and wss require a certificate and its key', () => {
    for (const proto of ['tls', 'wss']) {
      const env = { SIDECAR_EMBEDDED: '1', SIDECAR_SIP: `ws/127.0.0.1:0,${proto}/[::1]:0` };
      expect(problems(env)).toEqual([
        `SIDECAR_TLS_CERT is missing: ${proto} in SIDECAR_SIP needs it`,
        `SIDECAR_TLS_KEY is missing: ${proto} in SIDECAR_SIP needs it`,
      ]);
      const file = import.meta.path;
      expect(problems({ ...env, SIDECAR_TLS_CERT: file, SIDECAR_TLS_KEY: file })).toEqual([]);
      expect(problems({ ...env, SIDECAR_TLS_CERT: `${file}, ${file}`, SIDECAR_TLS_KEY: file })).toEqual([
        'SIDECAR_TLS_KEY must name a key for each certificate in SIDECAR_TLS_CERT',
      ]);
    }
    expect(problems({ ...PRODUCTION, SIDECAR_SIP: 'tls/127.0.0.1:0' })).toEqual([]);
  });

  test.each(['JAMBONES_BAN_REDIS_KEY', 'JAMBONES_EVENTS_STREAM'])('%s requires Redis', (name) => {
    const env = { SIDECAR_EMBEDDED: '1', [name]: 'key' };
    expect(problems(env)).toEqual([`${name} needs Redis: set JAMBONES_REDIS_HOST`]);
    expect(problems({ ...env, JAMBONES_REDIS_HOST: 'h' })).toEqual([]);
    expect(problems({ ...PRODUCTION, [name]: 'key' })).toEqual([]);
  });

  test('SIDECAR_SHARE_PORTS requires Redis and MySQL', () => {
    const env = { SIDECAR_EMBEDDED: '1', SIDECAR_SHARE_PORTS: '1' };
    const refusal = 'SIDECAR_SHARE_PORTS needs Redis and MySQL: set JAMBONES_REDIS_HOST and JAMBONES_MYSQL_HOST';
    const redis = { JAMBONES_REDIS_HOST: 'h' };
    const mysql = {
      JAMBONES_MYSQL_HOST: 'h',
      JAMBONES_MYSQL_USER: 'u',
      JAMBONES_MYSQL_PASSWORD: 'p',
      JAMBONES_MYSQL_DATABASE: 'd',
      ENCRYPTION_SECRET: 's',
    };
    for (const stores of [{}, redis, mysql]) expect(problems({ ...env, ...stores })).toEqual([refusal]);
    expect(problems({ ...env, ...redis, ...mysql })).toEqual([]);
  });

  test.each([
    ['udp/10.0.0.5:5060', '10.0.0.5', true],
    ['udp/10.0.0.5:5060', '10.0.0.5:5060', true],
    ['udp/10.0.0.5:5060', 'udp/10.0.0.5:5060, udp/10.0.0.5', true],
    ['udp/10.0.0.5:0', 'udp/10.0.0.5', true],
    ['wss/10.0.0.5:443', 'tls/10.0.0.5', true],
    ['ws/10.0.0.5:80', 'tcp/10.0.0.5', true],
    ['udp/[fd00::5]:5060', '[fd00:0::5]:5060', true],
    ['udp/0.0.0.0:5060', '0.0.0.0:5060', true],
    ['udp/10.0.0.5:5060', '10.0.0.6', false],
    ['udp/10.0.0.5:5060', '10.0.0.5:5061', false],
    ['udp/10.0.0.5:5060', 'tcp/10.0.0.5', false],
    ['udp/10.0.0.5:0', '10.0.0.5:5060', false],
    ['udp/0.0.0.0:5060', '10.0.0.5', false],
    ['udp/[::]:5060', '10.0.0.5', false],
  ])('with listeners at %s, check-ins on %s alone are possible: %p', (sip, name, possible) => {
    const env = { SIDECAR_SIP: sip, JAMBONES_CHECKIN_LISTENER: name, SIDECAR_TLS_CERT: FILE, SIDECAR_TLS_KEY: FILE };
    const none = `JAMBONES_CHECKIN_LISTENER names ${name}, which is none of the addresses in SIDECAR_SIP`;
    expect(problems({ SIDECAR_EMBEDDED: '1', ...env })).toEqual(possible ? [] : [none]);
    // The addresses of a drachtio server are known when it is connected.
    expect(problems({ ...PRODUCTION, ...env })).toEqual([]);
  });

  test('a wrong SIDECAR_SIP is the only problem, with any JAMBONES_CHECKIN_LISTENER', () => {
    const env = { SIDECAR_EMBEDDED: '1', SIDECAR_SIP: 'udp/localhost', JAMBONES_CHECKIN_LISTENER: '10.0.0.5' };
    expect(problems(env)).toEqual([expect.stringMatching(/^SIDECAR_SIP must be/)]);
  });

  test('an external service requires all of its variables', () => {
    expect(problems({ SIDECAR_EMBEDDED: '1', DRACHTIO_HOST: 'h' })).toEqual([
      'DRACHTIO_PORT is missing',
      'DRACHTIO_SECRET is missing',
    ]);
    expect(problems({ ...PRODUCTION, JAMBONES_MYSQL_WRITE_HOST: 'h' })).toEqual([
      'JAMBONES_MYSQL_WRITE_USER is missing',
      'JAMBONES_MYSQL_WRITE_PASSWORD is missing',
      'JAMBONES_MYSQL_WRITE_DATABASE is missing',
    ]);
    expect(problems({ ...PRODUCTION, JAMBONES_REDIS_SENTINELS: 'a' })).toEqual([
      'JAMBONES_REDIS_SENTINEL_MASTER_NAME is missing',
    ]);
  });

  test.each(['HOST', 'USER', 'PASSWORD', 'DATABASE'])('JAMBONES_MYSQL_WRITE_%s alone names what is missing', (one) => {
    const others = ['HOST', 'USER', 'PASSWORD', 'DATABASE'].filter((name) => name !== one);
    expect(problems({ ...PRODUCTION, [`JAMBONES_MYSQL_WRITE_${one}`]: 'x' })).toEqual(
      others.map((name) => `JAMBONES_MYSQL_WRITE_${name} is missing`),
    );
  });

  test.each([
    ['', false],
    ['0', false],
    ['off', false],
    ['1', true],
    ['true', true],
    ['webhook', 'webhook'],
    ['Webhook', 'webhook'],
  ] as const)('JAMBONES_REGISTER_ALLOW_AUTH_USER=%s is %p', (value, expected) => {
    const { register } = readConfig({ ...PRODUCTION, JAMBONES_REGISTER_ALLOW_AUTH_USER: value });
    expect(register.allowAuthUser).toBe(expected);
  });

  const wrong: [string, string, RegExp][] = [
    ['DRACHTIO_PORT', '0', /must be a port/],
    ['JAMBONES_REDIS_PORT', 'six', /must be a port/],
    ['JAMBONES_LOGLEVEL', 'loud', /must be one of trace/],
    ['JAMBONES_HOSTING', 'maybe', /must be 1 or 0/],
    ['JAMBONES_REGISTER_ALLOW_AUTH_USER', 'hook', /must be 1, 0 or webhook/],
    ['JAMBONES_NETWORK_CIDR', '10.0.0.0/33', /must be networks/],
    ['JAMBONES_NETWORK_CIDR', '10.1', /must be networks/],
    ['JAMBONES_NETWORK_CIDR', '10.0.0.0/8/8', /must be networks/],
    ...[
      'private',
      'localhost:5060',
      'fd00::5',
      'fd00::5:5060',
      '[10.0.0.5]:5060',
      '[fd00::5%eth0]',
      '10.0.0.256',
      '10.0.0.5:',
      'udp:10.0.0.5',
      'udp/',
      '/10.0.0.5',
      'udp/10.0.0.5/24',
      '10.0.0.5:5060 10.0.0.6',
      'UDP/10.0.0.5',
    ].map((value): [string, string, RegExp] => ['JAMBONES_CHECKIN_LISTENER', value, /must be addresses such as/]),
    ['JAMBONES_CHECKIN_LISTENER', 'ws/10.0.0.5:80', /knows udp, tcp, tls/],
    ['JAMBONES_CHECKIN_LISTENER', '10.0.0.5:0', /must be a port/],
    ['JAMBONES_CHECKIN_LISTENER', '10.0.0.5:65536', /must be a port/],
    ['JAMBONES_CHECKIN_LISTENER', ' , ', /names no address/],
    ['JAMBONES_DIGEST_ALGORITHMS', 'MD5,SHA-1', /must be of MD5/],
    ['JAMBONES_DIGEST_ALGORITHMS', ',', /names none/],
    ['JAMBONES_REGISTER_MAX_CONTACTS', '0', /from 1 to 10/],
    ['JAMBONES_REGISTER_MIN_EXPIRES', '1e3', /whole number/],
    ['JAMBONES_REDIS_SENTINELS', ':1', /must be host:port/],
    ['JAMBONES_REDIS_TLS_CA_FILE', '/nonexistent', /cannot be read/],
    ['JAMBONES_REDIS_TLS_KEY_FILE', '-----BEGIN PRIVATE KEY-----', /must be the path of a file, not its content$/],
    ['DRACHTIO_HOST', '127.0.0.1/32', /must be a name or an address/],
    ['JAMBONES_MYSQL_HOST', 'mysql://us:our%40password@db', /must be a name or an address, not "…@db"$/],
    ['JAMBONES_REDIS_PORT', 'redis://us:our@password@cache', /must be a port .*, not "…@cache"$/],
    ['REGISTER_RESPONSE_REMOVE', '403,7', /SIP status codes/],
    ['SIDECAR_SIP', 'udp/localhost:5060', /must be <proto>/],
    ['SIDECAR_SIP', 'sctp/127.0.0.1:5060', /knows udp, tcp, tls, ws, wss/],
    ['STATS_SAMPLE_RATE', '2', /from 0 to 1/],
    ['SIDECAR_EXTERNAL_IP', 'example.com', /must be an IP address/],
  ];
  test.each(wrong)('%s=%s is an error that says what is expected', (name, value, message) => {
    const found = problems({ ...PRODUCTION, JAMBONES_REDIS_SENTINEL_MASTER_NAME: 'm', [name]: value });
    expect(found).toHaveLength(1);
    expect(found[0]).toStartWith(name);
    expect(found[0]).toMatch(message);
  });

  test('messages contain no secrets', () => {
    const env = { ...PRODUCTION, DRACHTIO_PORT: 'x', ENCRYPTION_SECRET: 'hush', JAMBONES_MYSQL_PASSWORD: 'hush' };
    expect(problems(env).join()).not.toContain('hush');
  });

  test('a minimum above the maximum is an error', () => {
    const env = { JAMBONES_REGISTER_MIN_EXPIRES: '100', JAMBONES_REGISTER_MAX_EXPIRES: '60' };
    expect(problems({ ...PRODUCTION, ...env })).toHaveLength(1);
  });

  test('JWT_SECRET is accepted with a warning; ENCRYPTION_SECRET has precedence', () => {
    const { ENCRYPTION_SECRET: _, ...rest } = PRODUCTION;
    const old = readConfig({ ...rest, JWT_SECRET: 'j' });
    expect(old.encryptionSecret).toBe('j');
    expect(old.warnings).toHaveLength(1);
    const both = readConfig({ ...PRODUCTION, JWT_SECRET: 'j' });
    expect(both.encryptionSecret).toBe('s');
    expect(both.warnings).toEqual([]);
  });

  test.each([
    'short',
    ' at least 16 characters',
    'at least 16 characters ',
    'sechzehn Zeichen, für Köpfe',
    'a\nb at least 16 characters',
  ])('HTTP_ADMIN_TOKEN %j is an error that does not repeat it', (HTTP_ADMIN_TOKEN) => {
    expect(problems({ ...PRODUCTION, HTTP_ADMIN_TOKEN })).toEqual([
      'HTTP_ADMIN_TOKEN must have at least 16 characters, of ASCII, and neither begin nor end with a space',
    ]);
  });

  test.each(['a\nX-Evil: 1', 'a\r', 'a\0', 'a\u0085'])('JAMBONES_HTTP_USER_AGENT_HEADER %j is an error', (text) => {
    const env = { ...PRODUCTION, JAMBONES_HTTP_USER_AGENT_HEADER: text };
    expect(problems(env)).toEqual([
      'JAMBONES_HTTP_USER_AGENT_HEADER must have no control characters, such as line breaks',
    ]);
  });

  test.each([
    ['127.0.0.1', 0],
    ['127.8.8.8', 0],
    ['localhost', 0],
    ['::1', 0],
    ['0.0.0.0', 1],
    ['::', 1],
    ['10.0.0.5', 1],
    ['127.example.com', 1],
  ])('a token for HTTP at %s: %i warning that it goes there unencrypted', (HTTP_HOST, count) => {
    const http = { HTTP_PORT: '3001', HTTP_HOST };
    const token = { HTTP_ADMIN_TOKEN: 'at least 16 characters' };
    expect(readConfig({ ...PRODUCTION, ...http, ...token }).warnings).toHaveLength(count);
    expect(readConfig({ ...PRODUCTION, ...http }).warnings).toEqual([]);
    expect(readConfig({ ...PRODUCTION, HTTP_HOST, ...token }).warnings).toEqual([]);
  });

  test('is frozen', () => {
    const config = readConfig(PRODUCTION);
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.register)).toBe(true);
  });

  test('the default networks contain the private IPv4 and IPv6 addresses', () => {
    const { networks } = readConfig(PRODUCTION).platform;
    const inside = (address: string) => networks.some((n) => n.contains(address));
    for (const address of ['10.1.2.3', '127.0.0.1', '192.168.255.255', '172.31.0.1', '::1', 'fd00::1'])
      expect(inside(address)).toBe(true);
    for (const address of ['8.8.8.8', '172.32.0.1', '2001:db8::1', '', 'x']) expect(inside(address)).toBe(false);
  });
});
