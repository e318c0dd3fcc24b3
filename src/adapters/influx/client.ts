import { type ClientOptions, HttpError, InfluxDB, setLogger } from '@influxdata/influxdb-client';
import type { Config } from '../../config/index.ts';
import { withDeadline } from '../../lib/deadline.ts';
import { isOwnFault } from '../../lib/own-fault.ts';
import { cut, printable } from '../../lib/text.ts';
import type { Timers } from '../../lib/timers.ts';
import { QueryFault, Unavailable } from '../../ports/errors.ts';
import { joinHostPort } from '../../sip/ip.ts';
import { DATABASES, type Database } from './points.ts';

const NAME = 'InfluxDB';
/** The longest wait for one answer, milliseconds. */
const TIMEOUT_MS = 5_000;
const MAX_REASON_LENGTH = 300;
/** Statuses that refuse these points, and would refuse them again. */
const POINTS_REFUSED = new Set([400, 413, 422]);
/** Statuses that refuse us, or the place to write to. */
const WRITER_REFUSED = new Set([401, 403, 404]);

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
   * @throws Unavailable when they may be written later, QueryFault when they are refused as invalid
   */
  async write(database: Database, lines: readonly string[]): Promise<void> {
    try {
      await this.#post(database, lines);
    } catch (error) {
      if (!this.#isDatabaseMissing(error)) throw error;
      await this.#create(database);
      await this.#post(database, lines);
    }
  }

  /**
   * Asks whether points may be written, with a write of none.
   * @throws WriterRefused when not: except for a database of InfluxDB 1.x that is missing, as it is created; or Unavailable
   */
  async mayWrite(): Promise<void> {
    const options = { method: 'POST', headers: { 'content-type': 'text/plain; charset=utf-8' } };
    for (const database of DATABASES)
      try {
        await this.#request(({ transport }) => transport.request(this.#writePath(database), '', options));
      } catch (error) {
        // InfluxDB 2 may refuse a write without points, but looks at the token and the bucket first.
        if (!(error instanceof QueryFault) && !this.#isDatabaseMissing(error)) throw error;
      }
  }

  /** Abandons the requests under way. */
  close(): void {
    for (const request of this.#requests) request.abort();
  }

  async #post(database: Database, lines: readonly string[]): Promise<void> {
    await this.#request((influx) => {
      // All lines are one batch, and flush() waits for that batch alone.
      const options = { batchSize: lines.length + 1, flushInterval: 0, maxRetries: 0 };
      const api = influx.getWriteApi('', '', 'ns', options);
      api.path = this.#writePath(database);
      for (const line of lines) api.writeRecord(line);
      return api.flush();
    });
  }

  #writePath(database: Database): string {
    const { org, bucket } = this.config;
    if (org === '') return `/write?db=${database}&precision=ns`;
    const [organisation, name] = [org, bucket || database].map(encodeURIComponent);
    return `/api/v2/write?org=${organisation}&bucket=${name}&precision=ns`;
  }

  #isDatabaseMissing(error: unknown): boolean {
    return this.config.org === '' && error instanceof WriterRefused && error.status === 404;
  }

  async #create(database: Database): Promise<void> {
    const query = `q=${encodeURIComponent(`CREATE DATABASE "${database}"`)}`;
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    await this.#request(({ transport }) => transport.request('/query', query, { method: 'POST', headers }));
  }

  async #request(send: (influx: InfluxDB) => Promise<unknown>): Promise<void> {
    const request = new AbortController();
    this.#requests.add(request);
    const influx = connect({
      url: `http://${this.address}`,
      ...this.#credentials(),
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

  /** InfluxDB 1.x takes a name and a password, if anything. */
  #credentials(): Pick<ClientOptions, 'token' | 'headers'> {
    const { token, org } = this.config;
    if (org === '' && token.includes(':')) return { headers: { authorization: `Basic ${base64(token)}` } };
    return token === '' ? {} : { token };
  }

  #classified(error: unknown): unknown {
    if (error instanceof Unavailable || isOwnFault(error)) return error;
    if (!(error instanceof HttpError)) return new Unavailable(NAME, this.#loggable(messageOf(error)));
    const { statusCode: status } = error;
    const reason = this.#loggable(reasonOf(error));
    const why = `HTTP status ${status}${reason === '' ? '' : `: ${reason}`}`;
    if (POINTS_REFUSED.has(status)) return new QueryFault(NAME, why, `HTTP ${status}`);
    return WRITER_REFUSED.has(status) ? new WriterRefused(why, status) : new Unavailable(NAME, why);
  }

  /** The text may come from the server, and repeat the credentials that it refuses. */
  #loggable(text: string): string {
    const { token } = this.config;
    let masked = text;
    if (token !== '') for (const form of [token, base64(token)]) masked = masked.replaceAll(form, '********');
    return printable(cut(masked.trim(), MAX_REASON_LENGTH));
  }
}

/** InfluxDB answers, but lets us write nothing: the token, the organisation, the bucket or the database is wrong. */
export class WriterRefused extends Unavailable {
  constructor(
    why: string,
    /** 401, 403 or 404. */
    readonly status: number,
  ) {
    super(NAME, why);
  }
}

/** Connects to nothing yet. The library calls url.parse(), of which the runtime would warn on stderr. */
function connect(options: ClientOptions): InfluxDB {
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    return new InfluxDB(options);
  } finally {
    process.noDeprecation = noDeprecation ?? false;
  }
}

/** What the server says: `error` in InfluxDB 1.x, `message` in 2. */
function reasonOf({ json, body }: HttpError): string {
  for (const text of [json?.error, json?.message]) if (typeof text === 'string') return text;
  return body ?? '';
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
