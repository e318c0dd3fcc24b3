import { expect, test } from 'bun:test';
import { registerStatusJson } from '../../src/adapters/sql/register-status.ts';

const reasonOf = (reason: string): string =>
  JSON.parse(registerStatusJson({ status: 'fail', reason, timestamp: '2026-01-01T00:00:00.000Z' })).reason;

test('a long reason is cut to 500 characters, and no character is halved', () => {
  expect(reasonOf('x'.repeat(500))).toBe('x'.repeat(500));
  expect(reasonOf('x'.repeat(501))).toBe(`${'x'.repeat(499)}…`);
  expect(reasonOf(`${'x'.repeat(498)}😀😀`)).toBe(`${'x'.repeat(498)}…`);
});
