import { describe, expect, test } from 'bun:test';
import { environmentFile, SERVICE_DEFAULTS } from '../../src/config/environment-file.ts';
import { allVariables, readConfig } from '../../src/config/index.ts';
import { readUnit } from '../support/systemd-unit.ts';

const file = (path: string) => Bun.file(new URL(`../../packaging/${path}`, import.meta.url)).text();

/** Uncomments the variables of a file. */
function variablesOf(text: string): [string, string][] {
  return [...text.matchAll(/^#(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]);
}

describe('packaging/environment', () => {
  test('is up to date', async () => {
    expect(await file('environment')).toBe(environmentFile());
  });

  test('sets nothing, and is comments of ASCII alone, none of which goes on in the next line', async () => {
    for (const line of (await file('environment')).split('\n')) expect(line).toMatch(/^(#[ -~]*[^\\]|#*)$/);
  });

  test('has every variable once, and no secret', async () => {
    const variables = new Map(variablesOf(await file('environment')));
    const names = allVariables().map(([, { name }]) => name);
    expect([...variables.keys()].filter((name) => !name.startsWith('NODE_'))).toEqual(names);
    for (const [, { name, secret }] of allVariables())
      if (secret) expect([name, variables.get(name)]).toEqual([name, '']);
  });

  test('shows defaults that change nothing when they are uncommented', async () => {
    const values = Object.fromEntries(variablesOf(await file('environment')));
    const { variables: _, ...uncommented } = readConfig({ ...values, SIDECAR_EMBEDDED: '1' });
    const { variables: __, ...untouched } = readConfig({ ...SERVICE_DEFAULTS, SIDECAR_EMBEDDED: '1' });
    expect(JSON.stringify(uncommented)).toBe(JSON.stringify(untouched));
  });

  test('marks what a sidecar that is not embedded cannot do without', async () => {
    const marked = [...(await file('environment')).matchAll(/required unless embedded\n#(\w+)=/g)];
    expect(marked.map(([, name]) => name)).toEqual([
      'DRACHTIO_HOST',
      'DRACHTIO_PORT',
      'DRACHTIO_SECRET',
      'JAMBONES_REDIS_HOST',
      'JAMBONES_MYSQL_HOST',
      'JAMBONES_MYSQL_USER',
      'JAMBONES_MYSQL_PASSWORD',
      'JAMBONES_MYSQL_DATABASE',
      'ENCRYPTION_SECRET',
      'JAMBONES_TIME_SERIES_HOST',
    ]);
  });
});

test('the unit sets the defaults that the environment file shows, and no other variable', async () => {
  const unit = readUnit(await file('systemd/sbc-sip-sidecar.service'));
  const set = unit.values('Environment').map((setting) => setting.split('='));
  expect(Object.fromEntries(set)).toEqual(SERVICE_DEFAULTS);
});
