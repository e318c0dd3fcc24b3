import { describe, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { OpenRequests } from '../../../src/adapters/drachtio/client.ts';
import { readAcknowledgement } from '../../../src/adapters/drachtio/messages.ts';
import { readResponse, readSent, writeRequest } from '../../../src/adapters/drachtio/requests.ts';
import type { OutboundRequest } from '../../../src/ports/sip-server.ts';
import { headerValues } from '../../../src/sip/message.ts';

/** What drachtio-server 0.9.10 said in a transcript, frame by frame. */
function framesOf(transcript: string): string[] {
  const text = readFileSync(new URL(`../../fixtures/drachtio-wire/${transcript}.txt`, import.meta.url), 'utf8');
  const frames = text.split(/^=== DRACHTIO->APP .* ===\r?\n/m).slice(1);
  return frames.map((frame) => {
    const start = frame.indexOf('#') + 1;
    return Buffer.from(frame.slice(start)).toString('utf8', 0, Number.parseInt(frame, 10));
  });
}

const REQUEST: OutboundRequest = {
  method: 'OPTIONS',
  uri: 'sip:peer.test',
  nextHop: { address: '2001:db8::1', port: 5060, transport: 'tcp' },
  headers: { 'User-Agent': 'us', Contact: '<sip:a@b>' },
};

test('a request is written with its route, and its headers in their order', () => {
  expect(writeRequest(REQUEST)).toBe(
    'sip|||sip:[2001:db8::1]:5060;transport=tcp\r\nOPTIONS sip:peer.test SIP/2.0\r\nUser-Agent: us\r\nContact: <sip:a@b>\r\nContent-Length: 0\r\n\r\n',
  );
});

test('several values of a header are written to a line each', () => {
  const headers = { 'Proxy-Authorization': ['Digest realm="a"', 'Digest realm="b"'] };
  expect(writeRequest({ ...REQUEST, headers })).toContain(
    '\r\nProxy-Authorization: Digest realm="a"\r\nProxy-Authorization: Digest realm="b"\r\n',
  );
});

describe('what drachtio-server said', () => {
  test('to a registration: sent, 401, sent, 200', () => {
    const [sent, challenge, sentAgain, granted] = framesOf('02-outbound-REGISTER-401-200');
    expect(readSent(sent ?? '')).toEqual({ ok: true, transactionId: 'a8597ad6-580d-4733-9d62-5b68ceac390e' });
    const first = readResponse(challenge ?? '');
    expect(first?.transactionId).toBe('a8597ad6-580d-4733-9d62-5b68ceac390e');
    expect(first?.response).toMatchObject({ status: 401, reason: 'Unauthorized', local: false });
    expect(headerValues(first?.response.headers ?? [], 'WWW-Authenticate')).toEqual([
      'Digest realm="sip.jambonz.org", nonce="4cdbb733645816512687270b83d2ae5d11e4d9d8"',
    ]);
    expect(readSent(sentAgain ?? '')).toMatchObject({
      transactionId: readResponse(granted ?? '')?.transactionId ?? '',
    });
    expect(readResponse(granted ?? '')?.response).toMatchObject({ status: 200, local: false });
  });

  test.each([
    ['14-outbound-OPTIONS-closed-port', 503],
    ['15-outbound-OPTIONS-blackhole-timeout', 408],
    ['30-request-tcp-closed-port', 503],
  ])('%s: a response of its own', (transcript, status) => {
    expect(readResponse(framesOf(transcript)[1] ?? '')?.response).toMatchObject({ status, local: true });
  });

  test.each([
    ['28-request-bad-uri', 'invalid request-uri: OPTIONS not-a-uri SIP/2.0'],
    ['29-request-transport-tls-not-configured', 'requested protocol/transport not available'],
    ['31-request-invalid-header', 'Error creating leg'],
  ])('%s', (transcript, why) => {
    const refusal = framesOf(transcript).find((frame) => frame.includes('|NOK|')) ?? '';
    expect(readAcknowledgement(refusal)?.ok).toBe(false);
    expect(readSent(refusal)).toEqual({ ok: false, why });
  });

  test('a request is no response', () => {
    expect(readResponse(framesOf('09-inbound-OPTIONS-external')[0] ?? '')).toBeUndefined();
    expect(readResponse('')).toBeUndefined();
  });
});

describe('the order of things', () => {
  const ID = '568fa3e4-616c-4d34-ac83-42088ea9ca74';
  const sent = `${ID}|response|m|OK|application|399|udp|127.0.0.1|5060|05:24:12|tx|Msg sent:|\r\n`;
  const response = (status: number, transaction = 'tx') => {
    const read = readResponse(
      `${ID}|sip|network|9|udp|192.0.2.1|5060|05:24:12|${transaction}||\r\nSIP/2.0 ${status} Reason\r\n\r\n`,
    );
    if (!read) throw new Error('not read');
    return read;
  };

  test('a response before the acknowledgement is kept for its request', async () => {
    const requests = new OpenRequests(() => 'm');
    const asked = requests.send(REQUEST, 1000);
    requests.answered(response(100));
    requests.answered(response(404, 'somebody else'));
    requests.answered(response(200));
    expect(requests.acknowledged('m', sent)).toBe(true);
    expect(await asked).toMatchObject({ status: 200 });
    expect(requests.acknowledged('m', sent)).toBe(false);
  });

  test('only the first final response counts', async () => {
    const requests = new OpenRequests(() => 'm');
    const asked = requests.send(REQUEST, 1000);
    requests.acknowledged('m', sent);
    requests.answered(response(180));
    requests.answered(response(401));
    requests.answered(response(200));
    expect(await asked).toMatchObject({ status: 401 });
  });

  test('no more than twenty thousand at a time; those that end make room', async () => {
    let id = 0;
    const requests = new OpenRequests(() => `m${id++}`);
    const open = Promise.allSettled(Array.from({ length: 20_000 }, () => requests.send(REQUEST, 60_000)));
    await expect(requests.send(REQUEST, 60_000)).rejects.toThrow('too many requests are open');
    requests.lost();
    const ends = await open;
    expect(ends.every((end) => end.status === 'rejected')).toBe(true);
    const asked = requests.send(REQUEST, 60_000);
    requests.acknowledged('m20000', sent);
    requests.answered(response(200));
    expect(await asked).toMatchObject({ status: 200 });
  });
});
