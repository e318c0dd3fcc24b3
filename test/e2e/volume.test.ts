import { describe, expect, test } from 'bun:test';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { fileWith, startEmbedded } from './sidecar.ts';
import { runVolume, type Volume } from './volume-sipp.ts';

// SIPp under load against the compiled binary. EDGE_VOLUME=full runs 20 000 OPTIONS and 5 000 registrations over each
// transport, at EDGE_VOLUME_RATE per second.

const FULL = process.env.EDGE_VOLUME === 'full';
const CALLS = FULL ? { options: 20_000, register: 5_000 } : { options: 400, register: 150 };
const RATE = Number(process.env.EDGE_VOLUME_RATE ?? (FULL ? 400 : 300));
const REALM = 'volume.example.com';
const USERS = Array.from({ length: FULL ? 2_000 : 100 }, (_, i) => ({
  username: `u${i}`,
  password: `volume-pass-${i}`,
}));
const deadlineMs = (calls: number) => 20_000 + (2000 * calls) / RATE;

const clients = USERS.map((u) => `[[account.client]]\nusername = "${u.username}"\npassword = "${u.password}"`);
const accounts = await fileWith('accounts.toml', `[[account]]\nrealm = "${REALM}"\n${clients.join('\n')}\n`);
const sidecar = await startEmbedded({ args: ['--provision', accounts], env: { JAMBONES_LOGLEVEL: 'error' } });

const volumes: [what: string, scenario: string, transport: Volume['transport'], calls: number][] = [
  ['OPTIONS over UDP', 'volume-options', 'u1', CALLS.options],
  ['OPTIONS over one TCP connection', 'volume-options', 't1', CALLS.options],
  ['OPTIONS over a TCP connection each', 'volume-options', 'tn', CALLS.options],
  ['registrations over UDP', 'volume-register', 'u1', CALLS.register],
  ['registrations over one TCP connection', 'volume-register', 't1', CALLS.register],
  ['registrations over a TCP connection each', 'volume-register', 'tn', CALLS.register],
];

describe('SIPp under load', () => {
  for (const [what, scenario, transport, calls] of volumes)
    test(
      `${calls} ${what}`,
      async () => {
        const began = performance.now();
        const result = await runVolume({
          scenario,
          target: sidecar.sip,
          transport,
          calls,
          rate: RATE,
          realm: REALM,
          users: USERS,
          deadlineMs: deadlineMs(calls),
        });
        const { retransmissions, unexpected } = result;
        const { errors: _, ...figures } = result;
        if (FULL) console.log(what, { ...figures, seconds: Math.round((performance.now() - began) / 1000) });
        expect(result).toMatchObject({ code: 0, successful: calls, failed: 0 });
        // The only unexpected messages are responses to retransmissions.
        expect(unexpected).toBeLessThanOrEqual(retransmissions);
        if (transport !== 'u1') expect(retransmissions).toBe(0);
      },
      deadlineMs(calls) + 10_000,
    );
});

/** Fits into the buffers of a UDP socket. */
const AT_A_TIME = 20;

test('a UDP request and its retransmissions get identical responses', async () => {
  using peer = await UdpPeer.open();
  const answers = new Map<string, string[]>();
  for (let sent = 0; sent < CALLS.options / 10; sent += AT_A_TIME) {
    const batch = Array.from({ length: AT_A_TIME }, (_, i) => {
      const callId = crypto.randomUUID();
      const method = i % 2 === 0 ? 'OPTIONS' : 'REGISTER';
      const extra = method === 'REGISTER' ? `Contact: <sip:demo@127.0.0.1:${peer.port}>\r\n` : '';
      const text = request(method, `UDP 127.0.0.1:${peer.port}`, { callId, extra });
      // A realm that exists, so that the response is a 401.
      return { callId, text: text.replaceAll('sidecar.test', REALM) };
    });
    const answered = (times: number) => batch.every(({ callId }) => (answers.get(callId)?.length ?? 0) >= times);
    for (let copy = 0; copy < 2; copy++) for (const { text } of batch) peer.send(text, sidecar.sip.port);
    // A copy before the response is dropped (RFC 3261 17.2.2), so only one response is certain.
    while (!answered(1)) take(await peer.next('an answer'), answers);
    for (const { text } of batch) peer.send(text, sidecar.sip.port);
    while (!answered(2)) take(await peer.next('an answer to a copy'), answers);
  }
  for (const [callId, texts] of answers)
    expect({ callId, different: new Set(texts).size }).toEqual({ callId, different: 1 });
});

function take(text: string, answers: Map<string, string[]>): void {
  expect(text).toMatch(/^SIP\/2\.0 (200|401) /);
  const callId = /\r\nCall-ID: (\S+)\r\n/.exec(text)?.[1] ?? '';
  answers.set(callId, [...(answers.get(callId) ?? []), text]);
}
