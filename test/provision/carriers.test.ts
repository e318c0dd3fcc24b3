import { describe, expect, test } from 'bun:test';
import { SqlCarriers } from '../../src/adapters/sql/carriers.ts';
import { kyselyOver } from '../../src/adapters/sql/sqlite.ts';
import { decryptedCarriers } from '../../src/adapters/sqlite/decrypted.ts';
import { ProvisionError, parseProvisioning } from '../../src/provision/file.ts';
import { openCore } from '../support/core.ts';
import { sqlServer } from '../support/sql-server.ts';

const FULL = `
[[account]]
realm = "customer.test"

[[carrier]]
name = "upstream"
register = { username = "me", password = "secret", realm = "sip.carrier.test" }
[[carrier.gateway]]
host = "sip.carrier.test"
port = 5060
protocol = "udp"
options_ping = true

[[carrier]]
name = "full"
account = "customer.test"
trunk_type = "reg"
register = { username = "u", password = "p" }
from_user = "from"
from_domain = "from.test"
outbound_proxy = "proxy.test:5070"
public_ip_in_contact = true
[[carrier.gateway]]
host = "tls.carrier.test"
protocol = "tls/srtp"
sips = true
[[carrier.gateway]]
host = "2001:db8::1"
options_ping = true
active = false

[[carrier]]
name = "off"
active = false
register = { username = "u", password = "p" }
[[carrier.gateway]]
host = "192.0.2.1"
options_ping = true
`;

function open(toml: string) {
  const { database, provisioning, logger, cipher } = openCore({}, toml);
  const db = kyselyOver(database);
  const server = sqlServer(db, 'SQLite');
  const directory = decryptedCarriers(new SqlCarriers(server, server, logger), cipher);
  return {
    database,
    directory,
    apply: (text: string) => provisioning.apply(parseProvisioning(text, 'p.toml')),
    sids: () =>
      database
        .query(
          'SELECT c.name, voip_carrier_sid, sip_gateway_sid FROM voip_carriers c LEFT JOIN sip_gateways USING (voip_carrier_sid) ORDER BY c.name, ipv4',
        )
        .all(),
  };
}

describe('provisioned carriers', () => {
  test('are read by the outbound side', async () => {
    const { directory } = open(FULL);
    const { trunks, pinged } = await directory.read();
    const byName = (name: string) => trunks.filter((t) => t.carrierName === name);
    expect(trunks).toHaveLength(2);
    expect(byName('upstream')).toMatchObject([
      {
        host: 'sip.carrier.test',
        port: 5060,
        transport: 'udp',
        sips: false,
        trunkType: 'static_ip',
        username: 'me',
        password: 'secret',
        realm: 'sip.carrier.test',
        publicIpInContact: false,
      },
    ]);
    expect(byName('upstream')[0]).not.toHaveProperty('accountSid');
    expect(byName('full')).toMatchObject([
      {
        host: 'tls.carrier.test',
        transport: 'tls',
        sips: true,
        trunkType: 'reg',
        username: 'u',
        password: 'p',
        realm: 'tls.carrier.test',
        fromUser: 'from',
        fromDomain: 'from.test',
        outboundProxy: 'proxy.test:5070',
        publicIpInContact: true,
        accountRealm: 'customer.test',
      },
    ]);
    expect(pinged.map((g) => g.host)).toEqual(['sip.carrier.test']);
  });

  test('keep their sids and register status when the file is applied again', async () => {
    const { directory, database, apply, sids } = open(FULL);
    const before = sids();
    const [trunk] = (await directory.read()).trunks;
    if (!trunk) throw new Error('no trunk');
    const status = { status: 'ok', reason: '200 OK', timestamp: '2026-01-01T00:00:00.000Z' } as const;
    await directory.saveRegisterStatus(trunk.carrierSid, status);
    await directory.disableRegistration(trunk.carrierSid, 'auth');
    apply(FULL.replaceAll('"secret"', '"changed"').replaceAll('"p"', '"changed"'));
    expect(sids()).toEqual(before);
    const saved = database
      .query<{ register_status: string }, [string]>(
        'SELECT register_status FROM voip_carriers WHERE voip_carrier_sid = ?',
      )
      .get(trunk.carrierSid);
    expect(JSON.parse(saved?.register_status ?? '')).toEqual(status);
    const { trunks } = await directory.read();
    expect(trunks.map((t) => t.password)).toEqual(['changed', 'changed']);
  });

  test('are deleted when the file no longer names them, and so are gateways', () => {
    const { database, apply, sids } = open(FULL);
    apply('[[carrier]]\nname = "full"\n[[carrier.gateway]]\nhost = "tls.carrier.test"\nprotocol = "tls/srtp"');
    expect(sids()).toMatchObject([{ name: 'full' }]);
    expect(database.query('SELECT * FROM sip_gateways').all()).toHaveLength(1);
    apply('');
    expect(sids()).toEqual([]);
    expect(database.query('SELECT * FROM sip_gateways').all()).toEqual([]);
  });
});

test.each(['192.0.2.1', '[2001:db8::1]:5070', 'sips:proxy.test', 'sip:user@proxy.test:5070;transport=tcp;lr'])(
  'a carrier may have the outbound proxy %s',
  async (proxy) => {
    const { directory } = open(FULL.replace('proxy.test:5070', proxy));
    const { trunks } = await directory.read();
    expect(trunks.map(({ outboundProxy }) => outboundProxy)).toContain(proxy);
  },
);

const bad: [string, string, RegExp][] = [
  [
    'a name that is taken',
    '[[carrier]]\nname = "a"\n[[carrier]]\nname = "a"',
    /^p\.toml:4: carrier\[2\]\.name is taken$/,
  ],
  [
    'an unknown account',
    '[[carrier]]\nname = "a"\naccount = "nowhere.test"',
    /^p\.toml:3: carrier\[1\]\.account names an account that is not there$/,
  ],
  [
    'a gateway twice',
    '[[carrier]]\nname = "a"\ngateway = [{ host = "x.test" }, { host = "X.test" }]',
    /:3: carrier\[1\]\.gateway\[2\]\.host is listed twice$/,
  ],
  [
    'type reg without register',
    '[[carrier]]\nname = "a"\ntrunk_type = "reg"',
    /:1: carrier\[1\] is of trunk type reg and/,
  ],
  [
    'an unknown trunk type',
    '[[carrier]]\nname = "a"\ntrunk_type = "x"',
    /:3: carrier\[1\]\.trunk_type must be static_ip, auth or reg$/,
  ],
  [
    'sips over udp',
    '[[carrier]]\nname = "a"\n[[carrier.gateway]]\nhost = "x.test"\nsips = true',
    /:3: .*asks for sips URIs without TLS$/,
  ],
  [
    'two outbound proxies',
    '[[carrier]]\nname = "a"\noutbound_proxy = "a.test, b.test"',
    /:3: carrier\[1\]\.outbound_proxy must be host, host:port or a SIP URI$/,
  ],
  [
    'no host',
    '[[carrier]]\nname = "a"\n[[carrier.gateway]]\nhost = "sip:x"',
    /:4: .*host must be an IP address or a name$/,
  ],
  ['a port out of range', '[[carrier]]\nname = "a"\n[[carrier.gateway]]\nhost = "x.test"\nport = 70000', /:5: .*port /],
];
test.each(bad)('a carrier with %s is refused', (_, text, message) => {
  const parse = () => parseProvisioning(text, 'p.toml');
  expect(parse).toThrow(ProvisionError);
  expect(parse).toThrow(message);
});
