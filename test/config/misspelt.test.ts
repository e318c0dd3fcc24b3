import { describe, expect, test } from 'bun:test';
import { allVariables, ConfigError, readConfig } from '../../src/config/index.ts';
import { misspeltIn } from '../../src/config/misspelt.ts';

const KNOWN = allVariables().map(([, { name }]) => name);

describe('a variable that looks like one of ours', () => {
  test.each([
    ['JAMBONES_REDIS_HSOT', 'JAMBONES_REDIS_HOST'],
    ['JAMBONES_REDIS_PASS', 'JAMBONES_REDIS_PASSWORD'],
    ['jambones_redis_host', 'JAMBONES_REDIS_HOST'],
    ['JAMBONES_MYSQL_PASSWROD', 'JAMBONES_MYSQL_PASSWORD'],
    ['JAMBONES_LOG_LEVEL', 'JAMBONES_LOGLEVEL'],
    ['SIDECAR_DATA_DIRECTORY', 'SIDECAR_DATA'],
    ['SIDECAR_TLS_CERTS', 'SIDECAR_TLS_CERT'],
    ['DRACHTIO_SECRETS', 'DRACHTIO_SECRET'],
    ['SBC_SOCKETPATH', 'SBC_SOCKET_PATH'],
  ])('%s: did you mean %s?', (name, nearest) => {
    expect(misspeltIn({ [name]: 'x' }, KNOWN)).toEqual([`${name} is not known: did you mean ${nearest}?`]);
  });

  test.each([
    ...[
      'JAMBONES_SBCS',
      'JAMBONES_FREESWITCH',
      'JAMBONES_FEATURE_SERVERS',
      'JAMBONES_API_BASE_URL',
      'JAMBONES_OTEL_ENABLED',
    ],
    ...['SBC_ACCOUNT_SID', 'JAMBONES_', 'DRACHTIO_', 'PATH', 'REDIS_HSOT', `JAMBONES_${'A'.repeat(100_000)}`],
  ])('%.40s is of another program', (name) => {
    expect(misspeltIn({ [name]: 'x' }, KNOWN)).toEqual([]);
  });

  test('none of ours is taken for a misspelt one', () => {
    expect(misspeltIn(Object.fromEntries(KNOWN.map((name) => [name, 'x'])), KNOWN)).toEqual([]);
  });

  test('is a warning, and a hint beside errors; its value is not shown', () => {
    const misspelt = { JAMBONES_REDIS_PASSWROD: 'hush' };
    const line = 'JAMBONES_REDIS_PASSWROD is not known: did you mean JAMBONES_REDIS_PASSWORD?';
    expect(readConfig({ SIDECAR_EMBEDDED: '1', ...misspelt }).warnings).toEqual([line]);
    expect(hints({ ...misspelt, DRACHTIO_HOST: 'h' })).toEqual([line]);
  });
});

test('when all that production needs is missing, a hint says that embedded mode needs none of it', () => {
  expect(hints({})).toEqual([expect.stringContaining('serve --embedded needs none of them')]);
  expect(hints({ JAMBONES_MYSQL_HOST: 'h' })).toEqual([]);
  expect(hints({ SIDECAR_EMBEDDED: '1', DRACHTIO_HOST: 'h' })).toEqual([]);
});

function hints(env: Record<string, string>): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.hints;
    throw error;
  }
  throw new Error('no error');
}
