import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { acceptsSecret } from '../../adapters/drachtio/probe.ts';
import { connectRedis, untilReady } from '../../adapters/redis/connection.ts';
import { indexAdvice } from '../../adapters/sql/index-advice.ts';
import { openMysql } from '../../adapters/sql/mysql.ts';
import type { Config } from '../../config/index.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { systemTimers } from '../../lib/timers.ts';
import { DependencyError } from '../../ports/errors.ts';
import { joinHostPort } from '../../sip/ip.ts';
import { away, type Finding, messageOf, note, ok, wrong } from './finding.ts';

const TIMEOUT_MS = 3000;

interface Dependency {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** The variable to look at when the host is not the right one. */
  readonly variable: string;
  /** Rejects when it does not answer, or refuses us. */
  ask(): Promise<unknown>;
  /** What to do about an error that it answered with; undefined: it is no answer. */
  refusal?(error: unknown): string | undefined;
}

/** Resolves and asks every service that is configured, all at once. */
export async function checkDependencies(config: Config): Promise<Finding[]> {
  const { parts, alerts } = config;
  const dependencies: Dependency[] = [];
  if (parts.sip === 'drachtio') dependencies.push(drachtio(config));
  if (parts.store === 'redis') dependencies.push(redis(config));
  if (parts.directory === 'mysql') dependencies.push(...mysql(config));
  if (alerts.host !== '' && alerts.host !== 'none') dependencies.push(await influx(config));
  return (await Promise.all(dependencies.map(checkOne))).flat();
}

async function checkOne(dependency: Dependency): Promise<Finding[]> {
  const { name, host, port, variable } = dependency;
  const where = `${name} at ${joinHostPort(host, port)}`;
  try {
    if (isIP(host) === 0) await withDeadline(lookup(host), TIMEOUT_MS, late, systemTimers);
  } catch (error) {
    return [away(`${where}: the name cannot be resolved (${messageOf(error)}); check ${variable} and DNS`)];
  }
  try {
    const advice = await withDeadline(dependency.ask(), TIMEOUT_MS, late, systemTimers);
    const notes = Array.isArray(advice) ? advice.map((line) => note(String(line))) : [];
    return [ok(`${where} answers`), ...notes];
  } catch (error) {
    const remedy = dependency.refusal?.(error);
    return remedy === undefined
      ? [away(`${where} does not answer (${messageOf(error)}); start it, or check ${variable}`)]
      : [wrong(`${where} refuses us (${messageOf(error)}); ${remedy}`)];
  }
}

function late(): Error {
  return new Error(`no answer within ${TIMEOUT_MS} ms`);
}

function drachtio({ drachtio: { host, port, secret } }: Config): Dependency {
  return {
    name: 'drachtio',
    host,
    port,
    variable: 'DRACHTIO_HOST and DRACHTIO_PORT',
    ask: async () => {
      if (!(await acceptsSecret({ host, port, secret }, TIMEOUT_MS))) throw new WrongSecret('incorrect secret');
    },
    refusal: (error) => (error instanceof WrongSecret ? 'check DRACHTIO_SECRET' : undefined),
  };
}

class WrongSecret extends Error {}

function redis({ redis: config }: Config): Dependency {
  const [sentinel] = config.sentinels;
  return {
    name: sentinel ? 'Redis by its sentinels, the first' : 'Redis',
    host: sentinel?.host ?? config.host,
    port: sentinel?.port ?? config.port,
    variable: sentinel ? 'JAMBONES_REDIS_SENTINELS' : 'JAMBONES_REDIS_HOST and JAMBONES_REDIS_PORT',
    async ask() {
      const silent = () => {};
      const connection = connectRedis(config, { debug: silent, info: silent, warn: silent, error: silent });
      try {
        await withDeadline(untilReady(connection), TIMEOUT_MS - 500, late, systemTimers);
      } catch (error) {
        throw error instanceof DependencyError ? new Error(error.why) : error;
      } finally {
        connection.disconnect();
      }
    },
    refusal: (error) =>
      /\b(WRONGPASS|NOAUTH|NOPERM)\b|invalid password|without any password/.test(messageOf(error))
        ? 'check JAMBONES_REDIS_USERNAME and JAMBONES_REDIS_PASSWORD'
        : undefined,
  };
}

function mysql({ mysql: config }: Config): Dependency[] {
  const { reader, writer } = config;
  const servers: [string, string, Config['mysql']['reader']][] = [['MySQL', 'JAMBONES_MYSQL', reader]];
  if (writer.host !== '') servers.push(['MySQL for writes', 'JAMBONES_MYSQL_WRITE', writer]);
  return servers.map(([name, prefix, server]) => ({
    name,
    host: server.host,
    port: server.port,
    variable: `${prefix}_HOST and ${prefix}_PORT`,
    async ask() {
      const { pool } = openMysql(config, server);
      try {
        await pool.promise().query('SELECT sip_realm FROM accounts LIMIT 0');
      } finally {
        pool.end(() => {});
      }
      return server === reader ? indexAdvice(config) : [];
    },
    refusal(error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : '';
      if (/^ER_(ACCESS_DENIED|DBACCESS_DENIED|TABLEACCESS_DENIED)/.test(code))
        return `check ${prefix}_USER and ${prefix}_PASSWORD, and the grants of that user`;
      if (/^ER_(BAD_DB|NO_SUCH_TABLE|BAD_FIELD)/.test(code))
        return `check ${prefix}_DATABASE: it is not the platform's database`;
      return undefined;
    },
  }));
}

async function influx({ alerts }: Config): Promise<Dependency> {
  const { InfluxClient, WriterRefused } = await import('../../adapters/influx/client.ts');
  return {
    name: 'InfluxDB',
    host: alerts.host,
    port: alerts.port,
    variable: 'JAMBONES_TIME_SERIES_HOST, or set it to none',
    async ask() {
      const client = new InfluxClient(alerts, systemTimers);
      try {
        const asked = client.ping().then(() => client.mayWrite());
        await withDeadline(asked, TIMEOUT_MS - 500, late, systemTimers);
      } finally {
        client.close();
      }
    },
    refusal(error) {
      if (!(error instanceof WriterRefused)) return undefined;
      if (error.status !== 404) return 'check JAMBONES_TIME_SERIES_TOKEN';
      return alerts.org === '' ? undefined : 'check JAMBONES_TIME_SERIES_ORG and JAMBONES_TIME_SERIES_BUCKET';
    },
  };
}
