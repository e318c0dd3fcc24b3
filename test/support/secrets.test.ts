import { describe, expect, test } from 'bun:test';
import { join } from 'node:path';
import { temporaryDirectory } from './cleanup.ts';
import { spawnProcess } from './process.ts';
import { authorizationSent, configured, provisioned, reportExposures, searchForSecrets, secret } from './secrets.ts';

/** What the search finds in one line; undefined: nothing. */
function found(line: string): string | undefined {
  searchForSecrets('the log', ['another line', line]);
  try {
    reportExposures();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

describe('the search for secrets', () => {
  test('names the secret, and shows the line without it', () => {
    secret('the password of Ada', 'Analytical Engine');
    expect(found('ada has "Analytical Engine"')).toBe('the log shows the password of Ada: ada has "********"');
    expect(found('ada has an analytical engine')).toBeUndefined();
  });

  test('finds it in JSON and in a URL', () => {
    secret('the password of Eve', 'ap"ple & snake');
    expect(found(JSON.stringify({ why: 'ap"ple & snake' }))).toBe(
      'the log shows the password of Eve: {"why":"********"}',
    );
    expect(found(`http://example.com/?password=${encodeURIComponent('ap"ple & snake')}`)).toContain(
      'password=********',
    );
  });

  test('refuses a secret that may be part of a word, without repeating it', () => {
    expect(() => secret('a short one', 'secret')).toThrow('a short one: a secret of a test has at least 8 characters');
  });

  test('knows the digest responses of requests', () => {
    const response = '0123456789abcdef'.repeat(2);
    authorizationSent(`Authorization: Digest username="eve", response="${response}"\r\n`);
    expect(found(`{"credentials":"${response}"}`)).toContain('a digest response');
    expect(found(`{"id":"${response}0"}`)).toBeUndefined();
  });

  test('knows what a provisioning file and variables hold', () => {
    provisioned(
      '[[account]]\nwebhook = { url = "http://hook:of-the-webhook@a.test/?key=of-its-query", secret = "signs it all" }',
    );
    configured({ STATS_TOKEN: 'of the statistics', STATS_HOST: 'statistics.test' });
    for (const text of ['of-the-webhook', 'of-its-query', 'signs it all', 'of the statistics'])
      expect(found(`so ${text} is there`)).toContain('so ******** is there');
    expect(found('statistics.test')).toBeUndefined();
  });
});

test('a sidecar logs at trace level unless the test sets another, and its output is searched', async () => {
  const script = join(temporaryDirectory('printer'), 'sbc-sip-sidecar');
  await Bun.write(script, 'echo "$JAMBONES_LOGLEVEL"; echo "key: $ENCRYPTION_SECRET" >&2');
  const run = async (env: Record<string, string>) => {
    const printer = spawnProcess('sh', [script], { env });
    await printer.exited;
    return printer.stdout.join();
  };
  expect(await run({})).toBe('trace');
  expect(await run({ JAMBONES_LOGLEVEL: 'warn', ENCRYPTION_SECRET: 'printed on purpose' })).toBe('warn');
  expect(reportExposures).toThrow(`sh ${script} shows ENCRYPTION_SECRET: key: ********`);
});
