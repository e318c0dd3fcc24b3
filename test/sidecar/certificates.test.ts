import { describe, expect, test } from 'bun:test';
import { spawnSync } from 'node:child_process';
import { readConfig } from '../../src/config/index.ts';
import { checkCertificates } from '../../src/sidecar/check/certificates.ts';
import { authority, type TestCertificate } from '../support/certificates.ts';

const DAY_MS = 24 * 3600 * 1000;

function check({ certFile, keyFile }: TestCertificate, now = Date.now()) {
  const config = readConfig({ SIDECAR_EMBEDDED: '1', SIDECAR_TLS_CERT: certFile, SIDECAR_TLS_KEY: keyFile });
  const [finding] = checkCertificates(config, now);
  return `${finding?.verdict} ${finding?.text}`;
}

/** Valid for this many days from now. */
function certificate(days: number): TestCertificate {
  const certFile = authority.own.file(`${days}-days.pem`, '');
  const keyFile = authority.own.file(`${days}-days.key`, '');
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=a.test', '-days', String(days)];
  expect(spawnSync('openssl', [...request, '-keyout', keyFile, '-out', certFile]).status).toBe(0);
  return { certFile, keyFile };
}

describe('a certificate', () => {
  const months = certificate(90);

  test('is right for 90 days, then a warning for two weeks, then wrong', () => {
    const at = (days: number) => check(months, Date.now() + days * DAY_MS);
    expect(at(0)).toMatch(/^ok certificate .* goes with its key and is valid until \d{4}-\d\d-\d\d$/);
    expect(at(75)).toStartWith('ok ');
    expect(at(77)).toMatch(/^warning certificate .* expires on \d{4}-\d\d-\d\d; renew it$/);
    expect(at(91)).toMatch(/^wrong certificate .* expired on \d{4}-\d\d-\d\d; renew it$/);
    expect(at(-1)).toMatch(/^wrong certificate .* is not valid before .*; check the clock$/);
  });

  test('goes with its key, which has no passphrase', () => {
    const other = authority.own.certificate(['other.test']);
    expect(check({ ...months, keyFile: other.keyFile })).toBe(
      `wrong key ${other.keyFile} is not the key of certificate ${months.certFile}`,
    );
    const locked = authority.own.file('locked.key', '');
    const encrypt = ['pkey', '-in', months.keyFile, '-aes256', '-passout', 'pass:x', '-out', locked];
    expect(spawnSync('openssl', encrypt).status).toBe(0);
    expect(check({ ...months, keyFile: locked })).toBe(
      `wrong key ${locked} has a passphrase; remove it: openssl pkey -in ${locked} -out ${locked}.plain`,
    );
  });

  test('and its key are PEM', () => {
    const text = authority.own.file('text.pem', 'hello');
    expect(check({ ...months, certFile: text })).toStartWith(`wrong certificate ${text} is not a PEM certificate`);
    expect(check({ ...months, keyFile: text })).toStartWith(`wrong key ${text} is not a PEM key`);
  });
});
