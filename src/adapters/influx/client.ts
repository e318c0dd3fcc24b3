import { HttpError, InfluxDB, setLogger } from '@influxdata/influxdb-client';
import type { Config } from '../../config/index.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { isOwnFault } from '../../lib/own-fault.ts';
import { cut, printable } from '../../lib/text.ts';
import type { Timers } from '../../lib/timers.ts';
import { QueryFault, Unavailable } from '../../ports/errors.ts';
import { joinHostPort } from '../../sip/ip.ts';
import type { Database } from './points.ts';

const NAME = 'InfluxDB';
/** The longest wait for one answer, milliseconds. */
const TIMEOUT_MS = 5_000;
const MAX_REASON_LENGTH = 300;
/** Of responses that refuse these points, and would refuse them again. */
const POINTS_REFUSED = new Set([400, 413, 422]);

// Without it, the library writes every failure to stderr.
setLogger({ error() {}, warn() {} });

/** Speaks to InfluxDB 1.x, or to InfluxDB 2 when an organisation is given. Each call is one attempt. */
export class InfluxClient {
  /** `host:port`. */
  readonly address: string;
  readonly #requests = new Set<AbortController>();

  constructor(
    private readonly config: Pick<Config['alerts'], 'host' | 'port' | 'token' | 'org' | 'bucket'>,
    private readonly timers: Timers,
  ) {
    this.address = joinHostPort(config.host, config.port);
  }

  /** @throws Unavailable */
  async ping(): Promise<void> {
    await this.#request(({ transport }) => transport.request('/ping', '', { method: 'GET' }));
  }

  /**
   * Writes lines of the line protocol, with times in nanoseconds. In InfluxDB 1.x, a missing database is created.
   * @throws Unavailable when they may be written later, QueryFault when they are refused for what they are
   */
  async write(database: Database, lines: readonly string[]): Promise<void> {
    try {
      await this.#post(database, lines);
    } catch (error) {
      if (this.config.org !== '' || !(error instanceof DatabaseMissing)) throw error;
      await this.#create(database);
      await this.#post(database, lines);
    }
  }

  /** Abandons the requests under way. */
  close(): void {
    for (const request of this.#requests) request.abort();
  }

  async #post(database: Database, lines: readonly string[]): Promise<void> {
    const { org, bucket } = this.config;
    await this.#request((influx) => {
      // All lines are one batch, and flush() waits for that batch alone.
      const options = { batchSize: lines.length + 1, flushInterval: 0, maxRetries: 0 };
      const api = influx.getWriteApi(org, bucket || database, 'ns', options);
      if (org === '') api.path = `/write?db=${database}&precision=ns`;
      for (const line of lines) api.writeRecord(line);
      return api.flush();
    });
  }

  async #create(database: Database): Promise<void> {
    const query = `q=${encodeURIComponent(`CREATE DATABASE "${database}"`)}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    await this.#request(({ transport }) => transport.request('/query', query, { method: 'POST', headers }));
  }

  async #request(send: (influx: InfluxDB) => Promise<unknown>): Promise<void> {
    const { token } = this.config;
    const request = new AbortController();
    this.#requests.add(request);
    const influx = new InfluxDB({
      url: `http://${this.address}`,
      ...(token && { token }),
      // The library's own limit leaves the connection open.
      timeout: 2 * TIMEOUT_MS,
      transportOptions: { signal: request.signal },
    });
    const late = () => new Unavailable(NAME, `no answer within ${TIMEOUT_MS / 1000} s`);
    try {
      await withDeadline(send(influx), TIMEOUT_MS, late, this.timers);
    } catch (error) {
      throw this.#classified(error);
    } finally {
      this.#requests.delete(request);
      request.abort();
    }
  }

  #classified(error: unknown): unknown {
    if (error instanceof Unavailable || isOwnFault(error)) return error;
    if (!(error instanceof HttpError)) return new Unavailable(NAME, this.#loggable(messageOf(error)));
    const { statusCode: status } = error;
    const reason = this.#loggable(reasonOf(error));
    const why = `HTTP status ${status}${reason === '' ? '' : `: ${reason}`}`;
    if (POINTS_REFUSED.has(status)) return new QueryFault(NAME, why, `HTTP ${status}`);
    return status === 404 ? new DatabaseMissing(NAME, why) : new Unavailable(NAME, why);
  }

  /** Servers have been seen to repeat the credentials that they refuse. */
  #loggable(text: string): string {
    const { token } = this.config;
    const masked = token === '' ? text : text.replaceAll(token, '********');
    return printable(cut(masked.trim(), MAX_REASON_LENGTH));
  }
}

class DatabaseMissing extends Unavailable {}

/** What the server says: `error` in InfluxDB 1.x, `message` in 2. */
function reasonOf({ json, body }: HttpError): string {
  for (const text of [json?.error, json?.message]) if (typeof text === 'string') return text;
  return body ?? '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
