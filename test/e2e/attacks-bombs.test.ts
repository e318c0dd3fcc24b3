import { afterAll, describe, expect, test } from 'bun:test';
import { RawAdminClient } from '../support/admin.ts';
import { composeRequest } from '../support/sip-request.ts';
import { openStream, UdpPeer } from '../support/wire.ts';
import { Attacked, REALM } from './attacked.ts';
import { cli } from './sidecar.ts';

// Messages, admin requests and provisioning files that are made to take memory or time.

const DEADLINE_MS = 60_000;
const LONG = 'x'.repeat(60_000);
/** More than a datagram holds. */
const LONGER = 'x'.repeat(80_000);
const MANY = 5_000;
const DEEP = 30_000;

const target = await Attacked.start('SQLite');
afterAll(() => target.stop());

/** A REGISTER that removes Alice's binding. */
function removal(transport: 'UDP' | 'TCP', headers: Record<string, string> = {}, extra = ''): string {
  const aor = `<sip:alice@${REALM}>`;
  const usual = {
    Via: `SIP/2.0/${transport} 127.0.0.1;rport;branch=z9hG4bK${crypto.randomUUID()}`,
    From: `${aor};tag=1`,
    To: aor,
    Contact: '*',
    Expires: '0',
  };
  return composeRequest('REGISTER', `sip:${REALM}`, { ...usual, ...headers }, { extra });
}

/** Line and status of the response. */
const bombs: [string, Record<string, string>, string, string][] = [
  ['a header of 60 000 characters', { 'X-Long': LONG }, '', '400'],
  ['a To of 60 000 characters', { To: `<sip:${LONG}@${REALM}>` }, '', '400'],
  ['a Call-ID of 60 000 characters', { 'Call-ID': LONG }, '', '400'],
  ['credentials of 60 000 characters', { Authorization: `Digest username="${LONG}", realm="${REALM}"` }, '', '400'],
  ['5 000 headers', {}, 'X: y\r\n'.repeat(MANY), '400'],
  ['5 000 Contacts', { Contact: '<sip:a@b>,'.repeat(MANY) }, '', '400'],
  ['5 000 Authorizations', {}, `Authorization: Digest a\r\n`.repeat(2500), '400'],
  ['an Expires of 8 000 digits', { Expires: '9'.repeat(8000) }, '', '400'],
  ['a CSeq of 8 000 digits', { CSeq: `${'9'.repeat(8000)} REGISTER` }, '', '400'],
];

describe('a REGISTER over UDP with', () => {
  test.each(bombs)(
    '%s',
    async (_, headers, extra, status) => {
      const answer = await target.unharmedBy(async () => {
        using peer = await UdpPeer.open(target.sidecar.sip.port);
        peer.send(removal('UDP', headers, extra));
        return await peer.next();
      });
      expect(answer).toStartWith(`SIP/2.0 ${status} `);
      // What a response repeats is no amplification.
      expect(answer.length).toBeLessThan(70_000);
    },
    DEADLINE_MS,
  );
});

describe('a REGISTER over TCP with', () => {
  test.each([
    ['a header of 80 000 characters', removal('TCP', { 'X-Long': LONGER })],
    ['a header without end', `REGISTER sip:${REALM} SIP/2.0\r\nX-Long: ${LONGER}`],
    ['a start line without end', LONGER],
    ['a body of 80 000 characters', removal('TCP').replace('Content-Length: 0', 'Content-Length: 80000') + LONGER],
    [
      'a Content-Length beyond every number',
      removal('TCP').replace('Content-Length: 0', `Content-Length: ${'9'.repeat(400)}`),
    ],
  ])(
    '%s ends the connection',
    async (_, bytes) => {
      await target.unharmedBy(async () => {
        using peer = await openStream('tcp', target.sidecar.sip.port);
        peer.send(bytes);
        await peer.closed;
      });
    },
    DEADLINE_MS,
  );
});

describe('a request over the admin socket with', () => {
  const nested = `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`;
  test.each([
    ['30 000 open lists', '['.repeat(DEEP)],
    ['30 000 lists, each in the one before', nested],
    ['the same as the value of a setting', `{"action":"set","key":"k","value":${nested}}`],
    [
      '10 000 objects, each in the one before',
      `{"action":"set","key":"k","value":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_001)}`,
    ],
    ['60 000 characters for a setting', `{"action":"set","key":"k","value":"${LONG}"}`],
    ['60 000 characters for its action', `{"action":"${LONG}"}`],
    ['60 000 characters for a server', `{"action":"fs-drain","server":"${LONG}"}`],
    [
      '5 000 keys',
      `{"action":"status"${Array.from({ length: MANY }, (_, i) => `,"k${i}":1`).join('')}}`.replace(
        '"status"',
        '"statu"',
      ),
    ],
    ['__proto__', '{"__proto__":{"action":"reload"}}'],
    ['80 000 characters', LONGER],
  ])(
    '%s is refused',
    async (_, line) => {
      await target.unharmedBy(async () => {
        const client = await RawAdminClient.open(target.sidecar.socketPath);
        client.write(`${line}\n`);
        const answer = await client.answer();
        client.socket.destroy();
        expect(answer.success, JSON.stringify(answer)).toBe(false);
      });
      expect((await cli(target.sidecar, 'get', 'k')).stdout).not.toContain('k =');
    },
    DEADLINE_MS,
  );
});
