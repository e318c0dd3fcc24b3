import { describe, expect, test } from 'bun:test';
import {
  readAcknowledgement,
  readReceived,
  readRequest,
  writeAnswer,
} from '../../../src/adapters/drachtio/messages.ts';
import { combinedHeader } from '../../../src/sip/message.ts';

const ID = '568fa3e4-616c-4d34-ac83-42088ea9ca74';
const LEADER = `${ID}|sip|network|369|udp|192.0.2.30|7060|05:24:36.413278|31f89ddf||10.0.0.5|5060|`;
const REQUEST =
  'REGISTER sip:example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.30:7060;branch=z9hG4bK1\r\n' +
  'From: <sip:a@example.org>;tag=1\r\nTo: <sip:a@example.org>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\nm: <sip:a@192.0.2.30>\r\n' +
  'Contact: <sip:b@192.0.2.30>\r\nX-Custom: one\r\n two\r\nContent-Length: 0\r\n\r\n';

describe('what drachtio sends', () => {
  test('a request is read with its source, lists joined, folds undone, names in their usual spelling', () => {
    const received = readReceived(`${LEADER}\r\n${REQUEST}`);
    expect(received?.transactionId).toBe('31f89ddf');
    const request = received && readRequest(received);
    expect(request).toMatchObject({
      method: 'REGISTER',
      uri: 'sip:example.org',
      source: { transport: 'udp', address: '192.0.2.30', port: 7060 },
      topVia: { host: '192.0.2.30' },
      cseq: { number: 1, method: 'REGISTER' },
    });
    const headers = request?.headers ?? [];
    expect(combinedHeader(headers, 'Contact')).toBe('<sip:a@192.0.2.30>, <sip:b@192.0.2.30>');
    expect(combinedHeader(headers, 'X-Custom')).toBe('one two');
    expect(combinedHeader(headers, 'Expires')).toBeUndefined();
  });

  const peer = `${ID}|sip|network|369|tcp|192.0.2.30|7060|05:24:36.413278|31f89ddf`;
  test.each([
    ['an IPv4 address', `${peer}||10.0.0.5|5060|`, { transport: 'tcp', address: '10.0.0.5', port: 5060 }],
    ['an IPv6 address', `${peer}||[FD00:0::5]|5060|`, { transport: 'tcp', address: 'fd00::5', port: 5060 }],
    ['nothing', `${peer}||`, undefined],
    ['nothing, in another form', `${peer}|`, undefined],
    ['an empty address', `${peer}|||5060|`, undefined],
    ['an address without a port', `${peer}||10.0.0.5||`, undefined],
    ['no address', `${peer}||*|5060|`, undefined],
  ])('a request is read whose listener is given as %s', (_, leader, receivedOn) => {
    const received = readReceived(`${leader}\r\n${REQUEST}`);
    const source = { transport: 'tcp', address: '192.0.2.30', port: 7060 };
    expect(received && readRequest(received)).toMatchObject({ method: 'REGISTER', source });
    expect(received?.receivedOn).toEqual(receivedOn);
  });

  test.each([
    [`${ID}|sip|network|264|udp|192.0.2.60|5060|05:25:07.35|42e00f63||\r\nSIP/2.0 200 OK\r\n\r\n`],
    [`${ID}|response|${ID}|OK|pong`],
    [''],
  ])('%p is no request', (message) => {
    expect(readReceived(message)).toBeUndefined();
  });

  test.each([
    ['nonsense', 'Malformed Start Line'],
    [REQUEST.replace('CSeq: 1 REGISTER\r\n', ''), 'Missing CSeq'],
    [REQUEST.replace('CSeq: 1', 'CSeq: 2147483648'), 'Malformed CSeq'],
    [REQUEST.replace('Via: SIP/2.0/UDP', 'Via: SIP/2.0'), 'Malformed Via'],
  ])('a request that cannot be understood is to be refused: %p', (text, why) => {
    const received = readReceived(`${LEADER}\r\n${text}`);
    expect(received?.transactionId).toBe('31f89ddf');
    expect(received && readRequest(received)).toMatchObject({ name: 'MalformedMessage', status: 400, message: why });
  });

  test('an acknowledgement is read, whether it says yes or no', () => {
    const other = '31f89ddf-d41e-44ca-bd80-b42e549a2966';
    expect(readAcknowledgement(`${ID}|response|${other}|OK|application|364||`)).toEqual({ messageId: other, ok: true });
    expect(readAcknowledgement(`${ID}|response|${other}|NOK|Response not sent`)).toEqual({
      messageId: other,
      ok: false,
    });
    expect(readAcknowledgement(`${LEADER}\r\n${REQUEST}`)).toBeUndefined();
  });
});

describe('an answer', () => {
  test('has a line for each value', () => {
    expect(writeAnswer('t', { status: 401, headers: { 'WWW-Authenticate': ['Digest a', 'Digest b'] } })).toBe(
      'sip|t|\r\nSIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest a\r\nWWW-Authenticate: Digest b\r\nContent-Length: 0\r\n\r\n',
    );
    expect(writeAnswer('t', { status: 503, reason: 'Max Devices Registered' })).toContain(
      'SIP/2.0 503 Max Devices Registered\r\n',
    );
  });

  test('is refused when a value would end its line, or when drachtio could not take it', () => {
    expect(() => writeAnswer('t', { status: 200, headers: { Contact: 'a\r\nVia: b' } })).toThrow('line break');
    expect(() => writeAnswer('t', { status: 200, headers: { Contact: 'ü'.repeat(6001) } })).toThrow(
      'more than drachtio takes',
    );
  });
});
