import { expect, test } from 'bun:test';
import { readConfig } from '../../src/config/index.ts';
import { secret } from '../support/secrets.ts';

/** The variables of a configuration by name. */
function shown(env: Record<string, string>, flags: readonly string[] = []) {
  const { variables } = readConfig({ SIDECAR_EMBEDDED: '1', ...env }, new Set(flags));
  return new Map(variables.map(({ name, ...rest }) => [name, rest]));
}

test('each value has its origin', () => {
  const variables = shown({ SIDECAR_SIP: 'udp/127.0.0.1:5070', JAMBONES_CLUSTER_ID: 'west', HTTP_HOST: '' }, [
    'SIDECAR_SIP',
  ]);
  expect(variables.get('SIDECAR_SIP')).toEqual({ value: 'udp/127.0.0.1:5070', from: 'flag', secret: false });
  expect(variables.get('JAMBONES_CLUSTER_ID')).toEqual({ value: 'west', from: 'environment', secret: false });
  expect(variables.get('HTTP_HOST')).toEqual({ value: '127.0.0.1', from: 'default', secret: false });
  expect(variables.get('JAMBONES_REDIS_PORT')).toEqual({ value: '6379', from: 'default', secret: false });
});

test('on and off are the same words however they are given', () => {
  const variables = shown({ JAMBONES_HOSTING: 'TRUE', LEGACY_CRYPTO: '0' });
  expect(variables.get('JAMBONES_HOSTING')).toMatchObject({ value: 'on', from: 'environment' });
  expect(variables.get('LEGACY_CRYPTO')).toMatchObject({ value: 'off', from: 'environment' });
});

test('secrets are hidden, those in a URL too; one that is not set is empty', () => {
  const hidden = secret('a password', 'correct horse battery');
  const names = [...shown({})].filter(([, variable]) => variable.secret).map(([name]) => name);
  expect(names).toEqual([
    'DRACHTIO_SECRET',
    'JAMBONES_REDIS_PASSWORD',
    'JAMBONES_REDIS_SENTINEL_PASSWORD',
    'JAMBONES_REDIS_SENTINEL_SERVER_PASSWORD',
    'JAMBONES_MYSQL_PASSWORD',
    'JAMBONES_MYSQL_WRITE_PASSWORD',
    'ENCRYPTION_SECRET',
    'JWT_SECRET',
    'JAMBONES_TIME_SERIES_TOKEN',
    'HTTP_ADMIN_TOKEN',
  ]);
  const some = { ENCRYPTION_SECRET: hidden, HTTP_ADMIN_TOKEN: hidden };
  const variables = shown({ ...some, JAMBONES_TIME_SERIES_HOST: `http://us:${hidden}@influx.example` });
  expect(variables.get('ENCRYPTION_SECRET')).toEqual({ value: '[hidden]', from: 'environment', secret: true });
  expect(variables.get('DRACHTIO_SECRET')).toEqual({ value: '', from: 'default', secret: true });
  expect(JSON.stringify([...variables])).not.toContain(hidden);
});
