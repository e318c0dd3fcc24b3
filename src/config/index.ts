import { isLocalHost } from '../sip/ip.ts';
import { type EffectiveVariable, effectiveVariables } from './effective.ts';
import { misspeltIn } from './misspelt.ts';
import { BadValue, endpointOf, type Variable } from './variable.ts';
import { isVariable, VARIABLES, type ValuesOf, type VariableTree } from './variables.ts';

const EMBEDDED_HINT = 'sbc-sip-sidecar serve --embedded needs none of them: it brings its own SIP server and database';

type Values = ValuesOf<typeof VARIABLES>;

export interface Config extends Values {
  /** The implementation of each part. In embedded mode, setting the variables of an external service selects it. */
  readonly parts: {
    readonly sip: 'drachtio' | 'edge';
    readonly store: 'redis' | 'sqlite';
    readonly directory: 'mysql' | 'sqlite';
  };
  /** Encrypts client passwords. undefined in embedded mode, which generates and stores one. */
  readonly encryptionSecret: string | undefined;
  /** Deprecated or risky settings and variables that look misspelt, for the log. */
  readonly warnings: readonly string[];
  /** Every variable, for the operator. */
  readonly variables: readonly EffectiveVariable[];
}

/** One line per problem, with the variable's name. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  constructor(
    readonly problems: readonly string[],
    /** What may help: names that look misspelt, `--embedded`. */
    readonly hints: readonly string[],
  ) {
    super(problems.join('\n'));
  }
}

/**
 * @param env the environment, with command-line flags already applied
 * @param flags the names of variables that came from flags
 * @throws ConfigError with all problems
 */
export function readConfig(
  env: Readonly<Record<string, string | undefined>>,
  flags: ReadonlySet<string> = new Set(),
): Config {
  const problems: string[] = [];
  const values = readTree(VARIABLES, env, problems) as Values;
  const given = (...variables: Variable<unknown>[]) => variables.some(({ name }) => Boolean(env[name]));
  const { drachtio, redis, mysql, secrets, alerts } = VARIABLES;
  const embedded = values.embedded.on;
  const parts = {
    sip: !embedded || given(drachtio.host) ? 'drachtio' : 'edge',
    store: !embedded || given(redis.host, redis.sentinels) ? 'redis' : 'sqlite',
    directory: !embedded || given(mysql.reader.host) ? 'mysql' : 'sqlite',
  } as const;

  const variables = allVariables().map(([, variable]) => variable);
  const misspelt = misspeltIn(
    env,
    variables.map(({ name }) => name),
  );
  const requireSet = (...variables: Variable<unknown>[]) => {
    for (const { name } of variables) if (!env[name]) problems.push(`${name} is missing`);
  };
  if (parts.sip === 'drachtio') requireSet(drachtio.host, drachtio.port, drachtio.secret);
  if (parts.store === 'redis') {
    if (given(redis.sentinels)) requireSet(redis.sentinelMasterName);
    else if (!given(redis.host)) problems.push(`${redis.host.name} (or ${redis.sentinels.name}) is missing`);
  }
  if (parts.directory === 'mysql') {
    const { host, user, password, database } = mysql.reader;
    requireSet(host, user, password, database);
    if (!given(secrets.encryption, secrets.jwt)) problems.push(`${secrets.encryption.name} is missing`);
  }
  const { host, user, password, database } = mysql.writer;
  if (given(host, user, password, database)) requireSet(host, user, password, database);
  if (!embedded) requireSet(alerts.host);
  if (values.digest.algorithms.length === 0) problems.push('JAMBONES_DIGEST_ALGORITHMS names none');
  if (values.embedded.sip.length === 0) problems.push('SIDECAR_SIP names no address');
  const secure = values.embedded.sip.find(({ proto }) => proto === 'tls' || proto === 'wss');
  const { tlsCerts, tlsKeys } = VARIABLES.embedded;
  const { tlsCerts: certs, tlsKeys: keys } = values.embedded;
  const isWrong = ({ name }: Variable<unknown>) => problems.some((problem) => problem.startsWith(name));
  const missing = (variable: Variable<unknown>, items: readonly unknown[]) => items.length === 0 && !isWrong(variable);
  if (secure && parts.sip === 'edge') {
    const needs = `is missing: ${secure.proto} in SIDECAR_SIP needs it`;
    if (missing(tlsCerts, certs)) problems.push(`${tlsCerts.name} ${needs}`);
    if (missing(tlsKeys, keys)) problems.push(`${tlsKeys.name} ${needs}`);
  }
  const { checkInListeners } = VARIABLES.platform;
  const { checkInListeners: names } = values.platform;
  if (given(checkInListeners) && missing(checkInListeners, names))
    problems.push(`${checkInListeners.name} names no address`);
  if (parts.sip === 'edge' && !isWrong(VARIABLES.embedded.sip)) {
    const listeners = values.embedded.sip.map(endpointOf);
    for (const { text, matches } of names)
      if (!listeners.some(matches))
        problems.push(`${checkInListeners.name} names ${text}, which is none of the addresses in SIDECAR_SIP`);
  }
  if (parts.store !== 'redis')
    for (const variable of [VARIABLES.abuse.banRedisKey, VARIABLES.events.stream])
      if (given(variable)) problems.push(`${variable.name} needs Redis: set ${redis.host.name}`);
  const { sharePorts } = VARIABLES.embedded;
  if (values.embedded.sharePorts && (parts.store !== 'redis' || parts.directory !== 'mysql'))
    problems.push(`${sharePorts.name} needs Redis and MySQL: set ${redis.host.name} and ${mysql.reader.host.name}`);
  if (certs.length > 0 && keys.length > 0 && certs.length !== keys.length)
    problems.push(`${tlsKeys.name} must name a key for each certificate in ${tlsCerts.name}`);
  if (given(alerts.org) && !given(alerts.token))
    problems.push(`${alerts.token.name} is missing: ${alerts.org.name} needs it`);
  if (given(alerts.bucket) && !given(alerts.org))
    problems.push(`${alerts.org.name} is missing: ${alerts.bucket.name} needs it`);
  const { minExpires, maxExpires } = values.register;
  if (maxExpires > 0 && minExpires > maxExpires)
    problems.push('JAMBONES_REGISTER_MIN_EXPIRES is above JAMBONES_REGISTER_MAX_EXPIRES');

  if (problems.length > 0) {
    const nothingGiven = !given(drachtio.host, redis.host, redis.sentinels, mysql.reader.host);
    const hints = !embedded && nothingGiven ? [...misspelt, EMBEDDED_HINT] : misspelt;
    throw new ConfigError(problems, hints);
  }
  const warnings = [...misspelt];
  if (!values.secrets.encryption && values.secrets.jwt)
    warnings.push('JWT_SECRET is deprecated for encryption: set ENCRYPTION_SECRET to the same value');
  const { http } = values;
  if (http.port !== 0 && http.adminToken !== '' && !isLocalHost(http.host))
    warnings.push(
      `HTTP_ADMIN_TOKEN goes to HTTP_HOST ${http.host} unencrypted: reach it by a TLS proxy or an SSH tunnel`,
    );
  return Object.freeze({
    ...values,
    parts,
    encryptionSecret: values.secrets.encryption || values.secrets.jwt || undefined,
    warnings,
    variables: effectiveVariables(variables, env, flags),
  });
}

/** Every variable in table order, with the path of its group. */
export function allVariables(
  tree: VariableTree = VARIABLES,
  path: readonly string[] = [],
): [string[], Variable<unknown>][] {
  return Object.entries(tree).flatMap(([name, node]): [string[], Variable<unknown>][] =>
    isVariable(node) ? [[[...path], node]] : allVariables(node, [...path, name]),
  );
}

function readTree(tree: VariableTree, env: Readonly<Record<string, string | undefined>>, problems: string[]): object {
  const values: Record<string, unknown> = {};
  for (const [name, node] of Object.entries(tree))
    values[name] = isVariable(node) ? readOne(node, env, problems) : readTree(node, env, problems);
  return Object.freeze(values);
}

function readOne(
  variable: Variable<unknown>,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): unknown {
  const value = env[variable.name];
  if (value === undefined || value === '') return variable.fallback;
  try {
    return variable.parse(value);
  } catch (error) {
    if (!(error instanceof BadValue)) throw error;
    problems.push(`${variable.name} ${error.message}`);
    return variable.fallback;
  }
}
