import { expect, test } from 'bun:test';
import { provesLife } from '../../src/gateways/proves-life.ts';

test.each([200, 202, 302, 400, 401, 403, 404, 405, 415, 420, 480, 483, 486, 501, 600, 603])(
  '%d proves life',
  (status) => {
    expect(provesLife({ status, local: false })).toBe(true);
  },
);

test.each([408, 500, 502, 503, 504, 505, 513])('%d does not prove life', (status) => {
  expect(provesLife({ status, local: false })).toBe(false);
});

test.each([408, 503, 400])('%d made by our own SIP server does not prove life', (status) => {
  expect(provesLife({ status, local: true })).toBe(false);
});
