import { describe, expect, test } from 'bun:test';
import { TLSSocket, type TlsOptions as TlsServerOptions } from 'node:tls';
import type { EdgeOptions, TlsOptions } from '../../src/edge/index.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { authority, type TestCertificate } from '../support/certificates.ts';
import { RecordingLogger } from '../support/logger.ts';
import { freePort } from '../support/net.ts';
import { responseTo } from '../support/sip-request.ts';
import { ManualTimers } from '../support/timers.ts';
import type { StreamPeer } from '../support/wire.ts';
import { edgesAndPeers, serverTls, type TestEdge } from './support.ts';

const { start, listen } = edgesAndPeers();

/** Names and URIs of a certificate, which is made once. */
const certificates = new Map<string, TestCertificate>();
function certificate(names: string[], more: { addresses?: string[]; uris?: string[]; commonName?: string } = {}) {
  const key = JSON.stringify([names, more]);
  const made = certificates.get(key) ?? authority.own.certificate(names, more.addresses, more);
  certificates.set(key, made);
  return made;
}

interface Wanted {
  readonly uri?: string;
  readonly peerNames?: readonly string[];
}

function send({ edge }: TestEdge, port: number, { uri = 'sip:realm.test', peerNames }: Wanted): Promise<SipResponse> {
  const nextHop = { address: '127.0.0.1', port, transport: 'tls' } as const;
  const request = { method: 'OPTIONS', uri, nextHop, headers: {}, ...(peerNames && { peerNames }) } as const;
  return edge.request(request, 60_000);
}

async function setUp(shown: TestCertificate, tls: Partial<TlsOptions> = {}, options: Partial<EdgeOptions> = {}) {
  const all = { ...serverTls(), ...tls };
  const edge = await start({ listen: [{ proto: 'tls', host: '127.0.0.1', port: 0 }], tls: all, ...options });
  const gateway = await listen(0, shown);
  /** Has a request answered. @returns its connection; that given, or a new one */
  const exchange = async (wanted: Wanted, over?: StreamPeer) => {
    const sent = send(edge, gateway.port, wanted);
    const connection = over ?? (await gateway.connections.next('a connection'));
    connection.send(responseTo(await connection.next()));
    expect(await sent).toMatchObject({ status: 200, local: false });
    expect(gateway.connections.size).toBe(0);
    return connection;
  };
  return { edge, gateway, exchange };
}

const HOP = 'proxy.carrier.test';
const NAMES = { peerNames: [HOP, 'realm.test'] };

describe('a TLS peer is accepted when its certificate has', () => {
  test.each<[string, Wanted, Parameters<typeof certificate>]>([
    ['the name of the next hop', NAMES, [[HOP]]],
    ['the second of the names', { peerNames: [HOP, 'other.test'] }, [['other.test']]],
    ['the host of the Request-URI', NAMES, [['realm.test']]],
    ['the host of the Request-URI, which is not among the names', { peerNames: [HOP] }, [['realm.test']]],
    ['the only name there is', {}, [['realm.test']]],
    ['a wildcard for the name', NAMES, [['*.carrier.test']]],
    ['the name in other case, given with a dot at its end', { peerNames: ['Proxy.Carrier.TEST.'] }, [[HOP]]],
    ['the name in a URI (RFC 5922 7.1)', NAMES, [[], { uris: [`sip:${HOP}`] }]],
    ['the name in a URI in other case', NAMES, [[], { uris: [`SIP:${HOP.toUpperCase()}`] }]],
    ['the name in a URI, given in other case', { peerNames: ['Proxy.Carrier.TEST.'] }, [[], { uris: [`sip:${HOP}`] }]],
    ['the name in DNS beside a URI of another', NAMES, [[HOP], { uris: ['sip:other.test'] }]],
    ['the name in its common name and no other', NAMES, [[], { commonName: HOP }]],
    ['the address of a next hop without a name', { uri: 'sip:127.0.0.1' }, [[], { addresses: ['127.0.0.1'] }]],
    ['the address of a next hop, given first', { peerNames: ['127.0.0.1'] }, [[], { addresses: ['127.0.0.1'] }]],
    [
      'the address of a next hop, where the realm has a name',
      { peerNames: ['127.0.0.1', 'realm.test'] },
      [[], { addresses: ['127.0.0.1'] }],
    ],
    ['the realm, where the next hop has no name', { peerNames: ['127.0.0.1', 'realm.test'] }, [['realm.test']]],
  ])('%s', async (_what, wanted, shown) => {
    const { exchange } = await setUp(certificate(...shown));
    await exchange(wanted);
  });
});

describe('a TLS peer is refused, with the reason, when its certificate', () => {
  test.each<[string, Wanted, Parameters<typeof certificate>, string]>([
    ['has another name', {}, [['a.test']], 'certificate is for a.test, not for realm.test'],
    [
      'has none of several',
      NAMES,
      [['a.test', 'b.test']],
      `certificate is for a.test, b.test, not for ${HOP} or realm.test`,
    ],
    [
      'has many names',
      {},
      [['a.test', 'b.test', 'c.test', 'd.test', 'e.test']],
      'certificate is for a.test, b.test, c.test, d.test, not for realm.test',
    ],
    [
      'is a user’s',
      {},
      [[], { uris: ['sip:alice@realm.test'], commonName: 'realm.test' }],
      'certificate is for no SIP domain, not for realm.test',
    ],
    [
      'has it in a URI of another scheme',
      {},
      [[], { uris: ['https://realm.test', 'sips:realm.test'], commonName: 'a.test' }],
      'certificate is for no SIP domain, not for realm.test',
    ],
    [
      'has a URI of a subdomain',
      {},
      [[], { uris: ['sip:a.realm.test'] }],
      'certificate is for a.realm.test, not for realm.test',
    ],
    [
      'has it in its common name, but another in a URI',
      {},
      [[], { uris: ['sip:a.test'], commonName: 'realm.test' }],
      'certificate is for a.test, not for realm.test',
    ],
    [
      'has it in its common name, but another in DNS',
      {},
      [['a.test'], { commonName: 'realm.test' }],
      'certificate is for a.test, not for realm.test',
    ],
    ['has another common name', {}, [[], { commonName: 'a.test' }], 'certificate is for a.test, not for realm.test'],
    [
      'has a wildcard one level too high',
      { uri: 'sip:a.b.realm.test' },
      [['*.realm.test']],
      'certificate is for *.realm.test, not for a.b.realm.test',
    ],
    [
      'has only the address of a next hop with a name',
      NAMES,
      [[], { addresses: ['127.0.0.1'] }],
      `certificate is for 127.0.0.1, not for ${HOP} or realm.test`,
    ],
    [
      'has an address that was named and is not that of the next hop',
      { peerNames: ['192.0.2.1'] },
      [[], { addresses: ['192.0.2.1'] }],
      'certificate is for 192.0.2.1, not for realm.test',
    ],
    [
      'has none of many names',
      { peerNames: ['1.test', '2.test', '3.test', '4.test'] },
      [['a.test']],
      'certificate is for a.test, not for 1.test or 2.test or 3.test or 4.test',
    ],
    [
      'has an address that the next hop has not',
      { uri: 'sip:192.0.2.1' },
      [[], { addresses: ['192.0.2.1'] }],
      'certificate is for 192.0.2.1, not for 127.0.0.1',
    ],
    [
      'has the name of an address in words only',
      { uri: 'sip:127.0.0.1' },
      [['127.0.0.1']],
      'certificate is for 127.0.0.1, not for 127.0.0.1',
    ],
  ])('%s', async (_what, wanted, shown, why) => {
    const { edge, gateway } = await setUp(certificate(...shown));
    expect(await send(edge, gateway.port, wanted)).toMatchObject({ status: 503, local: true, why });
    expect(gateway.connections.size).toBe(0);
  });

  test.each<[string, () => TestCertificate, string]>([
    ['has expired', () => authority.own.certificate(['realm.test'], [], { days: -1 }), 'certificate has expired'],
    ['is self-signed', () => authority.stranger.root, 'certificate is self-signed'],
    [
      'is of an unknown authority',
      () => authority.stranger.certificate(['realm.test']),
      'certificate is of an authority that is not trusted',
    ],
  ])('%s', async (_what, shown, why) => {
    const { edge, gateway } = await setUp(shown());
    expect(await send(edge, gateway.port, {})).toMatchObject({ status: 503, local: true, why });
    expect(gateway.connections.size).toBe(0);
  });
});

describe('a TLS peer fails, with the reason, when it', () => {
  test.each<[string, TlsServerOptions, string]>([
    [
      'has nothing newer than TLS 1.1',
      { minVersion: 'TLSv1', maxVersion: 'TLSv1.1' },
      'the peer has neither TLS 1.2 nor 1.3',
    ],
    [
      'has no cipher for its key',
      { maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' },
      'TLS: sslv3 alert handshake failure',
    ],
  ])('%s', async (_what, options, why) => {
    const { edge } = await setUp(certificate(['realm.test']));
    const { port } = await listen(0, certificate(['realm.test']), options);
    expect(await send(edge, port, {})).toMatchObject({ status: 503, local: true, why });
  });

  test('speaks SIP without TLS', async () => {
    const { edge } = await setUp(certificate(['realm.test']));
    const { port, connections } = await listen();
    const sent = send(edge, port, {});
    (await connections.next()).send('SIP/2.0 400 Bad Request\r\n\r\n');
    expect(await sent).toMatchObject({ status: 503, local: true, why: 'the peer does not speak TLS on this port' });
  });
});

describe.each([true, false])('SNI (RFC 6066 3), verification %p', (verify) => {
  const shown = () => certificate([HOP, 'realm.test'], { addresses: ['127.0.0.1'] });

  test.each<[string, Wanted, string | false]>([
    ['the name of the next hop', NAMES, HOP],
    ['the name without the dot at its end', { peerNames: [`${HOP}.`] }, HOP],
    ['the realm when the next hop is an address', { peerNames: ['127.0.0.1', 'realm.test'] }, 'realm.test'],
    ['the host of the Request-URI without other names', {}, 'realm.test'],
    ['none when there is no name', { uri: 'sip:127.0.0.1', peerNames: ['127.0.0.1'] }, false],
    ['none for what no name can be', { uri: 'sip:127.0.0.1', peerNames: ['a b', '', '-'] }, false],
  ])('is %s', async (_what, wanted, expected) => {
    const { exchange } = await setUp(shown(), { verify });
    const { socket } = await exchange(wanted);
    expect(socket instanceof TLSSocket && socket.servername).toBe(expected);
  });
});

describe('an open TLS connection', () => {
  test('serves other requests of which it has proved a name', async () => {
    const { exchange } = await setUp(certificate([HOP]));
    const connection = await exchange({ peerNames: [HOP], uri: 'sip:one.test' });
    await exchange({ peerNames: [HOP], uri: 'sip:two.test' }, connection);
    await exchange({ uri: `sip:${HOP}` }, connection);
  });

  test('does not serve one of which it has proved no name', async () => {
    const { edge, gateway, exchange } = await setUp(certificate(['one.test']));
    await exchange({ peerNames: [HOP], uri: 'sip:one.test' });
    const why = `certificate is for one.test, not for ${HOP} or two.test`;
    expect(await send(edge, gateway.port, { peerNames: [HOP], uri: 'sip:two.test' })).toMatchObject({
      status: 503,
      why,
    });
  });

  test('does not serve one with another SNI, although its certificate has that name too', async () => {
    const { exchange } = await setUp(certificate([HOP, 'realm.test']));
    const first = await exchange(NAMES);
    const second = await exchange({});
    expect(second).not.toBe(first);
    await exchange({}, second);
    await exchange(NAMES, first);
  });

  test('has one SNI also without verification, and any names', async () => {
    const { exchange } = await setUp(certificate(['a.test']), { verify: false });
    const first = await exchange(NAMES);
    await exchange({ peerNames: [HOP], uri: 'sip:two.test' }, first);
    const second = await exchange({});
    expect(second).not.toBe(first);
  });
});

describe('a peer that cannot be connected to', () => {
  test('is warned about once an hour for one reason, and otherwise reported to debug', async () => {
    const timers = new ManualTimers();
    const logger = new RecordingLogger();
    const { edge, gateway } = await setUp(certificate(['a.test']), {}, { timers, logger });
    const to = { protocol: 'tls', address: '127.0.0.1', port: gateway.port };
    const reported = (level: string) => logger.lines.filter((l) => l.level === level && l.message === 'no connection');
    await send(edge, gateway.port, {});
    await send(edge, gateway.port, {});
    const why = 'certificate is for a.test, not for realm.test';
    expect(reported('warn').map((l) => l.fields)).toEqual([{ to, why }]);
    expect(reported('debug').map((l) => l.fields)).toEqual([{ to, why }]);
    const other = await freePort();
    await send(edge, other, {});
    const refused = { to: { ...to, port: other }, why: 'connection refused' };
    expect(reported('warn').map((l) => l.fields)).toEqual([{ to, why }, refused]);
    const third = await freePort();
    await send(edge, third, {});
    const refusedThere = { to: { ...to, port: third }, why: 'connection refused' };
    expect(reported('warn').map((l) => l.fields)).toEqual([{ to, why }, refused, refusedThere]);
    timers.advance(3_600_000);
    await send(edge, gateway.port, {});
    expect(reported('warn').map((l) => l.fields)).toEqual([{ to, why }, refused, refusedThere, { to, why }]);
  });
});
