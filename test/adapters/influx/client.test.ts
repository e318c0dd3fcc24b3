import { describe, expect, test } from 'bun:test';
import { InfluxClient, WriterRefused } from '../../../src/adapters/influx/client.ts';
import { systemTimers } from '../../../src/lib/timers.ts';
import { DependencyError, QueryFault, Unavailable } from '../../../src/ports/errors.ts';
import { failure, InfluxDouble, noContent } from '../../support/influx-double.ts';
import { freePort } from '../../support/net.ts';
import { basicCredentials, secret } from '../../support/secrets.ts';
import { ManualTimers } from '../../support/timers.ts';

const LINES = ['alerts,alert_type=a message="1" 1', 'alerts,alert_type=b message="2" 2'];
const TOKEN = secret('the token of InfluxDB', 'my-influx-token==');
const USER = secret('the token of InfluxDB 1.x', 'writer:influx-password');
basicCredentials('writer', 'influx-password');
const WRITE_1 = 'POST /write?db=alerts&precision=ns';

function start(more: { token?: string; org?: string; bucket?: string } = {}, timers = systemTimers) {
  const influx = InfluxDouble.start();
  const { host, port } = influx;
  return { influx, client: new InfluxClient({ host, port, token: '', org: '', bucket: '', ...more }, timers) };
}

async function errorOf(work: Promise<unknown>): Promise<DependencyError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof DependencyError)) throw new Error(`not a DependencyError: ${error}`);
  return error;
}

describe('InfluxDB 2', () => {
  test('is written to by organisation and bucket, with the token', async () => {
    const { influx, client } = start({ token: TOKEN, org: 'my org', bucket: 'voice' });
    await client.write('alerts', LINES);
    await client.write('system_alerts', ['system_alerts detail="x" 3']);
    const path = 'POST /api/v2/write?org=my%20org&bucket=voice&precision=ns';
    expect(influx.seen).toEqual([path, path]);
    expect(influx.requests[0]?.headers.get('authorization')).toBe(`Token ${TOKEN}`);
    expect(influx.requests[0]?.body).toBe(LINES.join('\n'));
  });

  test('has a bucket for each kind of alert unless one is given', async () => {
    const { influx, client } = start({ token: TOKEN, org: 'o' });
    await client.write('alerts', LINES);
    await client.write('system_alerts', LINES);
    expect(influx.seen.map((path) => /bucket=(\w+)/.exec(path)?.[1])).toEqual(['alerts', 'system_alerts']);
  });

  test('whose bucket is missing is asked to create nothing', async () => {
    const { influx, client } = start({ token: TOKEN, org: 'o' });
    influx.answer = failure(404, { code: 'not found', message: 'bucket "alerts" not found' });
    const error = await errorOf(client.write('alerts', LINES));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.why).toBe('HTTP status 404: bucket "alerts" not found');
    expect(influx.requests).toHaveLength(1);
  });
});

describe('InfluxDB 1.x', () => {
  test('is written to by database, without credentials', async () => {
    const { influx, client } = start();
    await client.write('alerts', LINES);
    expect(influx.seen).toEqual([WRITE_1]);
    expect(influx.requests[0]?.headers.get('authorization')).toBeNull();
    expect(influx.requests[0]?.body).toBe(LINES.join('\n'));
  });

  test('is given user:password as Basic credentials, and any other token as it is', async () => {
    const { influx, client } = start({ token: USER });
    await client.write('alerts', LINES);
    expect(influx.seen).toEqual([WRITE_1]);
    expect(influx.requests[0]?.headers.get('authorization')).toBe(`Basic ${btoa(USER)}`);
    const other = start({ token: TOKEN });
    await other.client.write('alerts', LINES);
    expect(other.influx.requests[0]?.headers.get('authorization')).toBe(`Token ${TOKEN}`);
  });

  test('whose database is missing has it created, and is written to again', async () => {
    const { influx, client } = start();
    const missing = failure(404, { error: 'database not found: "system_alerts"' });
    influx.answer = (request) => (influx.requests.length === 1 ? missing(request) : noContent());
    await client.write('system_alerts', LINES);
    const write = 'POST /write?db=system_alerts&precision=ns';
    expect(influx.seen).toEqual([write, 'POST /query', write]);
    expect(decodeURIComponent(influx.requests[1]?.body ?? '')).toBe('q=CREATE DATABASE "system_alerts"');
  });

  test('that does not let us create the database is asked again later', async () => {
    const { influx, client } = start();
    influx.answer = ({ path, ...request }) =>
      path === '/query'
        ? failure(403, { error: 'user "w" not authorized to execute CREATE DATABASE' })({ path, ...request })
        : failure(404, { error: 'database not found: "alerts"' })({ path, ...request });
    const error = await errorOf(client.write('alerts', LINES));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.why).toBe('HTTP status 403: user "w" not authorized to execute CREATE DATABASE');
  });
});

describe('a question whether points may be written', () => {
  test('is a write without points to each database', async () => {
    const { influx, client } = start();
    await client.mayWrite();
    expect(influx.seen).toEqual([WRITE_1, 'POST /write?db=system_alerts&precision=ns']);
    expect(influx.requests.map(({ body }) => body)).toEqual(['', '']);
  });

  test.each([
    ['InfluxDB 1.x, whose databases are missing', {}, 404, 'database not found: "alerts"'],
    ['InfluxDB 2, which wants points', { token: TOKEN, org: 'o' }, 400, 'writing requires points'],
  ] as const)('is answered by %s', async (_, config, status, error) => {
    const { influx, client } = start(config);
    influx.answer = failure(status, { error });
    await client.mayWrite();
    expect(influx.requests).toHaveLength(2);
  });

  test.each([
    [{}, 401],
    [{}, 403],
    [{ token: TOKEN, org: 'o' }, 401],
    [{ token: TOKEN, org: 'o' }, 404],
  ] as const)('with %o is denied by %i', async (config, status) => {
    const { influx, client } = start(config);
    influx.answer = failure(status, { error: 'no' });
    const error = await errorOf(client.mayWrite());
    expect(error).toBeInstanceOf(WriterRefused);
    expect(error).toMatchObject({ status });
  });
});

describe('an answer', () => {
  test.each([401, 403, 429, 500, 503])('of %i leaves the points to be written later', async (status) => {
    const { influx, client } = start();
    influx.answer = failure(status, { error: 'a reason' });
    const error = await errorOf(client.write('alerts', LINES));
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.message).toBe(`InfluxDB: HTTP status ${status}: a reason`);
  });

  test.each([400, 413, 422])('of %i refuses these points', async (status) => {
    const { influx, client } = start();
    influx.answer = failure(status, { error: 'partial write: field type conflict' });
    const error = await errorOf(client.write('alerts', LINES));
    expect(error).toBeInstanceOf(QueryFault);
    expect(error).toMatchObject({ code: `HTTP ${status}` });
  });

  test('of a web server that is no InfluxDB is an outage', async () => {
    const { influx, client } = start();
    influx.answer = () => new Response('<html>hello</html>');
    expect((await errorOf(client.write('alerts', LINES))).why).toStartWith('HTTP status 200');
  });

  test('is shown without control characters, and cut', async () => {
    const { influx, client } = start();
    influx.answer = () => new Response(`\u001b[31m${'x'.repeat(10_000)}`, { status: 500 });
    const { why } = await errorOf(client.ping());
    expect(why).toStartWith('HTTP status 500: \ufffd[31mxxx');
    expect(why.length).toBeLessThan(400);
  });

  test('that repeats the token does not show it', async () => {
    const { influx, client } = start({ token: TOKEN, org: 'o' });
    influx.answer = failure(401, { message: `token ${TOKEN} is not valid` });
    expect((await errorOf(client.write('alerts', LINES))).why).toBe('HTTP status 401: token ******** is not valid');
  });

  test('that repeats the Basic credentials does not show them', async () => {
    const { influx, client } = start({ token: USER });
    influx.answer = failure(401, { error: `Basic ${btoa(USER)} is not valid` });
    expect((await errorOf(client.ping())).why).toBe('HTTP status 401: Basic ******** is not valid');
  });
});

describe('no answer', () => {
  test('within 5 s is an outage, and ends the request', async () => {
    const timers = new ManualTimers();
    const { influx, client } = start({}, timers);
    const [arrived, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    influx.abandoned = () => ended.resolve();
    influx.answer = () => {
      arrived.resolve();
      return new Promise(() => {});
    };
    const failing = errorOf(client.write('alerts', LINES));
    await arrived.promise;
    timers.advance(5_000);
    expect(await failing).toEqual(new Unavailable('InfluxDB', 'no answer within 5 s'));
    await ended.promise;
    expect(timers.pending).toBe(0);
  });

  test('from a port where nothing listens is an outage', async () => {
    const config = { host: '127.0.0.1', port: await freePort(), token: '', org: '', bucket: '' };
    const error = await errorOf(new InfluxClient(config, systemTimers).ping());
    expect(error).toBeInstanceOf(Unavailable);
    expect(error.why).toContain('ECONNREFUSED');
  });

  test('is awaited no longer once the client is closed', async () => {
    const { influx, client } = start();
    const arrived = Promise.withResolvers<void>();
    influx.answer = () => {
      arrived.resolve();
      return new Promise(() => {});
    };
    const failing = errorOf(client.ping());
    await arrived.promise;
    client.close();
    expect(await failing).toBeInstanceOf(Unavailable);
  });
});
