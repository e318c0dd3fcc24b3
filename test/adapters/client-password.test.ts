import { expect, test } from 'bun:test';
import { ClientPasswordCipher } from '../../src/adapters/sql/client-password.ts';

const iv = '000102030405060708090a0b0c0d0e0f';
/** Made with `openssl enc`. */
const cases = [
  ['CBC', false, '384b843335466ca724a2e6070c06d893'],
  ['CTR, that of older systems,', true, 'e8cda096e903b96969'],
] as const;

test.each(cases)('a password that the platform encrypted by AES-256-%s is read', (_, legacy, content) => {
  const stored = JSON.stringify({ iv, content });
  expect(new ClientPasswordCipher('secret', legacy).decrypt(stored)).toBe('pässword');
});

test.each(cases)('a password of another secret is recognized: AES-256-%s', (_, legacy, content) => {
  const stored = JSON.stringify({ iv, content });
  expect(new ClientPasswordCipher('another', legacy).decrypt(stored)).toBeUndefined();
});
