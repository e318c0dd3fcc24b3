import { expect, test } from 'bun:test';
import { grantedExpires } from '../../src/regbot/response.ts';
import { NO_BODY, type SipResponse } from '../../src/sip/message.ts';

const OURS = 'sip:me@192.0.2.1:5060;transport=udp';

function response(...contacts: readonly string[]): SipResponse {
  const headers = contacts.map((value) => ({ name: 'Contact', value }));
  return { kind: 'response', status: 200, reason: 'OK', local: false, headers, body: NO_BODY };
}

test.each([
  '<tel:+15551234>;expires=60, <sip:me@192.0.2.1:5060;transport=udp>;expires=120',
  '<sip:x@my_host;a=b=c>;expires=60, Bond, James <sip:me@192.0.2.1:5060;transport=udp>;expires=120',
])('a Contact that cannot be read is skipped, ours beside it counts: %s', (contacts) => {
  expect(grantedExpires(response(contacts), OURS, 3600)).toBe(120);
});
