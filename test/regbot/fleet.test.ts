import { describe, expect, test } from 'bun:test';
import { isIPv4 } from 'node:net';
import type { Trunk } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { challenge, makeFleet, response, TRUNK } from './support.ts';

const SECOND = 1000;
const REG: Trunk = { ...TRUNK, trunkType: 'reg' };

function trunk(n: number, changes: Partial<Trunk> = {}): Trunk {
  return { ...TRUNK, gatewaySid: `gw-${n}`, carrierSid: `carrier-${n}`, username: `user${n}`, ...changes };
}

describe('the directory', () => {
  test('is read once a cycle: new trunks register, changed ones register again, removed ones un-register', async () => {
    const { sip, lead, timers, directory, fleet } = makeFleet([trunk(1), trunk(2), trunk(3)]);
    await lead();
    expect(sip.take()).toHaveLength(3);
    directory.carriers = { trunks: [trunk(1), trunk(2, { realm: 'new.example' }), trunk(4)], pinged: [] };
    await timers.advanceAsync(59 * SECOND);
    expect(sip.sent).toEqual([]);
    await timers.advanceAsync(SECOND);
    const sent = sip.take().map((s) => [s.headers['Call-ID'], s.uri, s.headers.Expires]);
    expect(sent.sort()).toEqual([
      ['gw-2', 'sip:carrier.example', '0'],
      ['gw-2', 'sip:new.example', '3600'],
      ['gw-3', 'sip:carrier.example', '0'],
      ['gw-4', 'sip:carrier.example', '3600'],
    ]);
    expect(fleet.snapshot().map((v) => [v.gateway, v.state])).toEqual([
      ['gw-1', 'registered'],
      ['gw-2', 'registered'],
      ['gw-4', 'registered'],
    ]);
    expect(directory.reads).toBe(2);
  });

  test('is read at once on request', async () => {
    const { sip, lead, change, fleet } = makeFleet([]);
    await lead();
    await change(trunk(1));
    expect(sip.take()).toHaveLength(1);
    expect(await fleet.refreshNow()).toBe('done');
    expect(sip.take()).toHaveLength(0);
  });

  test('has trunks that report when they register, fail, and leave; a refresh is no news', async () => {
    const { sip, lead, change, timers, events, fleet } = makeFleet([trunk(1)]);
    await lead();
    await fleet.refreshNow('gw-1');
    await timers.advanceAsync(0);
    const registered = { type: 'trunk', gateway: 'gw-1', carrierSid: 'carrier-1', state: 'registered' };
    expect(events).toMatchObject([{ ...registered, reason: '200 OK' }]);
    sip.respond = () => response(503);
    await fleet.refreshNow('gw-1');
    await timers.advanceAsync(0);
    expect(events.slice(1)).toMatchObject([{ state: 'failing', reason: expect.stringContaining('503') }]);
    await change();
    expect(events.slice(2)).toMatchObject([{ state: 'leaving' }]);
  });

  test('is read and one registration refreshed on request', async () => {
    const { sip, lead, fleet, timers } = makeFleet([trunk(1), trunk(2)]);
    await lead();
    sip.take();
    expect(await fleet.refreshNow('gw-2')).toBe('done');
    await timers.advanceAsync(0);
    expect(sip.take().map((s) => s.headers['Call-ID'])).toEqual(['gw-2']);
    expect(await fleet.refreshNow('gw-9')).toBe('unknown trunk');
    fleet.lost();
    expect(await fleet.refreshNow('gw-2')).toBe('not leading');
  });

  test('is read again when a read in progress may be outdated', async () => {
    const { lead, fleet, directory, timers } = makeFleet([trunk(1)]);
    const late = Promise.withResolvers<void>();
    const read = directory.read.bind(directory);
    directory.read = async () => {
      const old = await read();
      await late.promise;
      return old;
    };
    await lead();
    directory.read = read;
    directory.carriers = { trunks: [trunk(2)], pinged: [] };
    const refreshed = fleet.refreshNow();
    await timers.advanceAsync(0);
    late.resolve();
    await refreshed;
    await timers.advanceAsync(SECOND);
    expect(fleet.snapshot().map((v) => v.gateway)).toEqual(['gw-2']);
  });

  test.each(['by the interval', 'on request'])(
    'is not read again once the lead is lost during a read %s',
    async (how) => {
      const { lead, fleet, directory, timers } = makeFleet([trunk(1)]);
      const late = Promise.withResolvers<void>();
      const read = directory.read.bind(directory);
      await lead();
      directory.read = async () => {
        await late.promise;
        return read();
      };
      if (how === 'by the interval') await timers.advanceAsync(60 * SECOND);
      const refreshed = fleet.refreshNow('gw-1');
      fleet.lost();
      late.resolve();
      expect(await refreshed).toBe('not leading');
      await timers.advanceAsync(600 * SECOND);
      expect(directory.reads).toBe(2);
    },
  );

  test('is read again soon when unavailable, and registrations go on', async () => {
    const { sip, lead, timers, directory, fleet, logger } = makeFleet([trunk(1)]);
    directory.down = true;
    await lead();
    await timers.advanceAsync(10 * SECOND);
    expect(directory.reads).toBe(3);
    directory.down = false;
    await timers.advanceAsync(5 * SECOND);
    expect(sip.take()).toHaveLength(1);
    directory.down = true;
    await timers.advanceAsync(1800 * SECOND);
    expect(sip.take()).toHaveLength(1);
    expect(fleet.snapshot()[0]?.state).toBe('registered');
    await expect(fleet.refreshNow()).rejects.toBeInstanceOf(Unavailable);
    expect(logger.lines.some((l) => l.message === 'saving of register_status failed')).toBe(true);
  });

  test('is read again within its interval when unavailable, if that is shorter', async () => {
    const { lead, timers, directory } = makeFleet([trunk(1)], { refreshSeconds: 1 });
    directory.down = true;
    await lead();
    await timers.advanceAsync(3 * SECOND);
    expect(directory.reads).toBe(4);
  });

  test('a fault of ours in reading or writing is logged as an error, and all goes on', async () => {
    const reg = trunk(1, { trunkType: 'reg' });
    const { lead, timers, directory, fleet, logger, ephemeral, state } = makeFleet([reg]);
    directory.fault = new TypeError('a fault of ours');
    state.ephemeralFault = new TypeError('another one');
    await lead();
    await timers.advanceAsync(10 * SECOND);
    expect(directory.reads).toBe(3);
    directory.fault = undefined;
    await timers.advanceAsync(5 * SECOND);
    expect(fleet.snapshot()[0]?.state).toBe('registered');
    expect(ephemeral.size).toBe(0);
    state.ephemeralFault = undefined;
    await timers.advanceAsync(5 * SECOND);
    expect(ephemeral.size).toBe(1);
    const errors = logger.lines.filter((l) => l.level === 'error').map((l) => l.message);
    expect(errors).toEqual(['reading of carriers failed', 'saving of ephemeral gateways failed']);
  });

  test('may list duplicates and trunks without a password: they are skipped and logged once', async () => {
    const twin = trunk(2, { username: 'user1', host: 'GW.carrier.example' });
    const { sip, lead, timers, fleet, logger, change } = makeFleet([trunk(1), twin, trunk(3, { password: '' })]);
    await lead();
    await timers.advanceAsync(300 * SECOND);
    expect(sip.take()).toHaveLength(1);
    const lines = logger.lines.filter((l) => l.message === 'not registered');
    expect(lines.map((l) => l.fields)).toEqual([
      expect.objectContaining({ gateway: 'gw-2', why: 'the same registration as that of gateway gw-1' }),
      expect.objectContaining({ gateway: 'gw-3', why: 'it has no password' }),
    ]);
    expect(fleet.skipped().map((s) => s.gateway)).toEqual(['gw-2', 'gw-3']);
    await change(twin);
    expect(
      sip
        .take()
        .map((s) => [s.headers['Call-ID'], s.headers.Expires])
        .sort(),
    ).toEqual([
      ['gw-1', '0'],
      ['gw-2', '3600'],
    ]);
  });

  test('has no duplicates where one of address, realm or credentials differs', async () => {
    const differing: Partial<Trunk>[] = [
      { host: 'gw2.carrier.example' },
      { port: 5070 },
      { transport: 'tcp' },
      { realm: 'b.example' },
      { username: 'user2' },
      { password: 'pass2' },
    ];
    const trunks = differing.map((changes, i) => ({ ...TRUNK, ...changes, gatewaySid: `gw-${i + 2}` }));
    const { lead, fleet } = makeFleet([TRUNK, ...trunks, { ...TRUNK, realm: 'CARRIER.example', gatewaySid: 'gw-9' }]);
    await lead();
    expect(fleet.snapshot()).toHaveLength(7);
    expect(fleet.skipped().map((s) => s.gateway)).toEqual(['gw-9']);
  });

  test('holds passwords that are neither shown nor logged', async () => {
    const { sip, lead, fleet, logger } = makeFleet([
      trunk(1, { password: 'geheim' }),
      trunk(2, { password: 'geheim' }),
    ]);
    sip.script(response(401, challenge('n')), response(403));
    await lead();
    expect(JSON.stringify([fleet.snapshot(), fleet.skipped(), logger.lines])).not.toContain('geheim');
  });
});

describe('a removed trunk', () => {
  test('is un-registered with the same Call-ID, a higher CSeq and credentials', async () => {
    const { sip, lead, change, fleet } = makeFleet();
    sip.script(response(401, challenge('n')));
    await lead();
    const [, before] = sip.take();
    await change();
    const [unregister] = sip.take();
    expect(unregister?.headers).toMatchObject({
      'Call-ID': 'gw-1',
      Expires: '0',
      Contact: before?.headers.Contact?.replace('3600', '0'),
      Authorization: expect.stringContaining('nc=00000002'),
    });
    expect(Number.parseInt(unregister?.headers.CSeq ?? '', 10)).toBeGreaterThan(
      Number.parseInt(before?.headers.CSeq ?? '', 10),
    );
    expect(unregister?.deadlineMs).toBe(5000);
    expect(fleet.snapshot()).toEqual([]);
  });

  test('that was never registered is dropped silently', async () => {
    const { sip, lead, change, fleet } = makeFleet();
    sip.respond = () => response(403);
    await lead();
    sip.take();
    await change();
    expect(sip.sent).toEqual([]);
    expect(fleet.snapshot()).toEqual([]);
  });

  test('whose REGISTER is pending is un-registered, and the late response is ignored', async () => {
    const { sip, lead, change, fleet, directory } = makeFleet();
    const late = Promise.withResolvers<SipResponse>();
    sip.script(late.promise);
    await lead();
    await change();
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['3600', '0']);
    late.resolve(response(200));
    await late.promise;
    expect(fleet.snapshot()).toEqual([]);
    expect(directory.statuses.map(([, { reason }]) => reason)).toEqual(['registration switched off']);
  });

  test('that cannot be un-registered is dropped anyway', async () => {
    const { sip, lead, change, fleet } = makeFleet([REG]);
    await lead();
    sip.respond = () => new Unavailable('drachtio', 'not connected');
    await change();
    expect(fleet.snapshot()).toEqual([]);
  });

  test('is no trunk to refresh while it is un-registered', async () => {
    const { sip, lead, change, fleet } = makeFleet();
    await lead();
    sip.script(new Promise<SipResponse>(() => {}));
    await change();
    sip.take();
    expect(await fleet.refreshNow('gw-1')).toBe('unknown trunk');
    expect(sip.sent).toEqual([]);
  });

  test('that is added again while un-registering is registered again', async () => {
    const { sip, lead, change, fleet, timers } = makeFleet();
    await lead();
    const late = Promise.withResolvers<SipResponse>();
    sip.script(late.promise);
    await change();
    expect(fleet.snapshot()[0]?.state).toBe('leaving');
    await change(TRUNK);
    late.resolve(response(200));
    await timers.advanceAsync(SECOND);
    expect(sip.take().map((s) => s.headers.Expires)).toEqual(['3600', '0', '3600']);
    expect(fleet.snapshot()[0]?.state).toBe('registered');
  });
});

describe('leadership', () => {
  test('lost: nothing is sent, late responses are ignored, no timer is left', async () => {
    const { sip, lead, fleet, timers, directory, ephemeral } = makeFleet([REG, trunk(2), trunk(3)]);
    const late = Promise.withResolvers<SipResponse>();
    sip.respond = ({ headers }) => (headers['Call-ID'] === 'gw-3' ? late.promise : response(200));
    await lead();
    sip.take();
    directory.statuses.length = 0;
    fleet.lost();
    late.resolve(response(401, challenge('n')));
    await timers.advanceAsync(7200 * SECOND);
    expect(sip.sent).toEqual([]);
    expect(directory.statuses).toEqual([]);
    expect(ephemeral.size).toBe(1);
    expect(fleet.snapshot()).toEqual([]);
    expect(timers.pending).toBe(0);
  });

  test('lost: statuses that wait for the database are the next leader’s to write', async () => {
    const { lead, fleet, timers, directory, sip } = makeFleet();
    sip.respond = () => {
      directory.down = true;
      return response(200);
    };
    await lead();
    fleet.lost();
    directory.down = false;
    await timers.advanceAsync(60 * SECOND);
    expect(directory.statuses).toEqual([]);
  });

  test('gained again: everything registers again', async () => {
    const { sip, lead, fleet } = makeFleet([trunk(1), trunk(2)]);
    await lead();
    fleet.lost();
    sip.take();
    await lead();
    expect(sip.take()).toHaveLength(2);
  });

  test('a read that started before the loss is ignored', async () => {
    const { sip, fleet, timers } = makeFleet([trunk(1)]);
    fleet.gained();
    fleet.lost();
    await timers.advanceAsync(SECOND);
    expect(sip.sent).toEqual([]);
  });

  test('lost during a DNS lookup: its failure is ignored', async () => {
    const { lead, fleet, dns, directory, timers } = makeFleet();
    const failure = Promise.withResolvers<Error>();
    dns.set(TRUNK.host, failure.promise);
    await lead();
    fleet.lost();
    failure.resolve(new Unavailable('DNS', 'no answer'));
    await timers.advanceAsync(SECOND);
    expect(directory.statuses).toEqual([]);
    expect(timers.pending).toBe(0);
  });

  test('is checked before each request, also before the one with credentials', async () => {
    const { sip, lead, state, timers } = makeFleet();
    sip.respond = () => {
      state.mayAct = false;
      return response(401, challenge('n'));
    };
    await lead();
    await timers.advanceAsync(300 * SECOND);
    expect(sip.sent).toHaveLength(1);
  });
});

describe('the pace', () => {
  test('lets ten thousand trunks register once each, at most ten per 250 ms', async () => {
    const trunks = Array.from({ length: 10_000 }, (_, n) => trunk(n));
    const { sip, lead, timers, fleet } = makeFleet(trunks, {}, Math.random);
    await lead();
    await timers.advanceAsync(999 * 250);
    expect(new Set(sip.sent.map((s) => s.headers['Call-ID'])).size).toBe(10_000);
    expect(sip.sent).toHaveLength(10_000);
    const times = sip.sent.map((s) => s.at);
    for (let i = 10; i < times.length; i++) expect((times[i] ?? 0) - (times[i - 10] ?? 0)).toBeGreaterThanOrEqual(250);
    expect(fleet.snapshot().every((v) => v.state === 'registered')).toBe(true);
  });

  test.each(['in the middle of a batch', 'at the end of a batch'])(
    'starts every trunk again when the lead was lost %s',
    async (when) => {
      const trunks = Array.from({ length: 25 }, (_, n) => trunk(n));
      const { sip, lead, timers, fleet, change } = makeFleet(
        when === 'at the end of a batch' ? trunks : trunks.slice(0, 3),
      );
      await lead();
      fleet.lost();
      sip.take();
      await lead();
      await change(...trunks);
      await timers.advanceAsync(10 * SECOND);
      expect(new Set(sip.take().map((s) => s.headers['Call-ID'])).size).toBe(25);
      expect(fleet.snapshot().every((v) => v.state === 'registered')).toBe(true);
    },
  );

  test('is a batch per pause, also after the lead was lost', async () => {
    const trunks = Array.from({ length: 25 }, (_, n) => trunk(n));
    const { sip, lead, timers, fleet } = makeFleet(trunks);
    await lead();
    await timers.advanceAsync(100);
    fleet.lost();
    sip.take();
    await lead();
    await timers.advanceAsync(249);
    expect(sip.take()).toHaveLength(10);
    await timers.advanceAsync(1);
    expect(sip.take()).toHaveLength(10);
  });

  test('applies to retries after an outage, not to refreshes', async () => {
    const trunks = Array.from({ length: 100 }, (_, n) => trunk(n));
    const { sip, lead, timers } = makeFleet(trunks, { batchSize: 2, batchSleepMs: 1000 }, Math.random);
    sip.respond = () => new Unavailable('drachtio', 'not connected');
    await lead();
    await timers.advanceAsync(300 * SECOND);
    sip.respond = () => response(200, { Expires: '60' });
    sip.take();
    await timers.advanceAsync(100 * SECOND);
    const first = new Map<string | undefined, number>();
    for (const { headers, at } of sip.take().reverse()) first.set(headers['Call-ID'], at);
    const times = [...first.values()].sort((a, b) => a - b);
    expect(times).toHaveLength(100);
    for (let i = 2; i < times.length; i++) expect((times[i] ?? 0) - (times[i - 2] ?? 0)).toBeGreaterThanOrEqual(1000);
  });
});

describe('trunk type reg', () => {
  test('every address of the gateway is the carrier’s until the registration expires', async () => {
    const { lead, dns, ephemeral, timers } = makeFleet([REG]);
    dns.set(REG.host, ['192.0.2.1', '192.0.2.2']);
    await lead();
    const until = timers.now() + 3600 * SECOND;
    expect([...ephemeral]).toEqual([
      ['192.0.2.1 carrier-1', until],
      ['192.0.2.2 carrier-1', until],
    ]);
  });

  test('the addresses are the gateway’s even when requests go to a proxy', async () => {
    const { lead, dns, ephemeral } = makeFleet([{ ...REG, outboundProxy: 'proxy.example' }]);
    dns.set('proxy.example', ['192.0.2.99']);
    await lead();
    expect([...ephemeral.keys()]).toEqual(['192.0.2.1 carrier-1']);
  });

  test.each(['gw.carrier.example:5070', 'sip:gw.carrier.example;transport=tcp'])(
    'the addresses are those of the gateway’s port and transport, not of the proxy %s',
    async (outboundProxy) => {
      const { lead, resolved } = makeFleet([{ ...REG, outboundProxy }]);
      await lead();
      expect(resolved[1]).toEqual([REG.host, undefined, 'udp']);
    },
  );

  test('addresses are written again only when they change', async () => {
    const { lead, timers, state, logger } = makeFleet([REG]);
    await lead();
    await timers.advanceAsync(0);
    state.ephemeralDown = true;
    await timers.advanceAsync(60 * SECOND);
    expect(logger.lines.filter((l) => l.message === 'ephemeral gateways not written')).toEqual([]);
  });

  test('an address that no longer resolves is removed when the registration that found it would have expired', async () => {
    const { lead, dns, ephemeral, timers } = makeFleet([REG]);
    await lead();
    const first = timers.now() + 3600 * SECOND;
    dns.set(REG.host, ['192.0.2.2']);
    await timers.advanceAsync(1800 * SECOND);
    expect([...ephemeral]).toEqual([
      ['192.0.2.1 carrier-1', first],
      ['192.0.2.2 carrier-1', first + 1800 * SECOND],
    ]);
    await timers.advanceAsync(1801 * SECOND);
    expect([...ephemeral]).toEqual([['192.0.2.2 carrier-1', first + 3600 * SECOND]]);
  });

  test('the addresses that a resolver names in turns are all the carrier’s', async () => {
    const { lead, dns, ephemeral, timers } = makeFleet([REG]);
    const halves = [
      ['192.0.2.1', '192.0.2.2'],
      ['192.0.2.3', '192.0.2.4'],
    ];
    dns.set(REG.host, halves[0] ?? []);
    await lead();
    for (let i = 1; i <= 6; i++) {
      dns.set(REG.host, halves[i % 2] ?? []);
      await timers.advanceAsync(1800 * SECOND);
      expect([...ephemeral.keys()].sort()).toEqual([1, 2, 3, 4].map((n) => `192.0.2.${n} carrier-1`));
    }
  });

  test('of a name that has other addresses each time, 256 are kept', async () => {
    const { lead, dns, ephemeral, timers, fleet } = makeFleet([REG]);
    const batch = (n: number) => Array.from({ length: 64 }, (_, i) => `10.0.${n}.${i}`);
    dns.set(REG.host, batch(0));
    await lead();
    for (let n = 1; n <= 5; n++) {
      dns.set(REG.host, batch(n));
      await fleet.refreshNow(REG.gatewaySid);
      await timers.advanceAsync(SECOND);
    }
    expect(ephemeral.size).toBe(256);
    expect(batch(5).every((address) => ephemeral.has(`${address} carrier-1`))).toBe(true);
    expect(ephemeral.has('10.0.0.0 carrier-1')).toBe(false);
  });

  test('the addresses of a former gateway are removed when the new one is registered', async () => {
    const { lead, dns, ephemeral, change } = makeFleet([REG]);
    dns.set('new.carrier.example', ['192.0.2.7']);
    await lead();
    await change({ ...REG, host: 'new.carrier.example' });
    expect([...ephemeral.keys()]).toEqual(['192.0.2.7 carrier-1']);
  });

  test('addresses that we cannot reach ourselves are the carrier’s too', async () => {
    const { sip, lead, dns, ephemeral } = makeFleet([REG]);
    const addresses = Array.from({ length: 40 }, (_, i) => (i % 2 ? `2001:db8::${i}` : `192.0.2.${i}`));
    dns.set(REG.host, addresses);
    sip.canReach = ({ address }) => isIPv4(address);
    await lead();
    expect([...ephemeral.keys()]).toEqual(addresses.map((address) => `${address} carrier-1`));
  });

  test('an address is kept after a failed refresh until the registration expires', async () => {
    const { sip, lead, ephemeral, timers } = makeFleet([REG]);
    await lead();
    sip.respond = () => response(500);
    await timers.advanceAsync(3599 * SECOND);
    expect(ephemeral.size).toBe(1);
    await timers.advanceAsync(2 * SECOND);
    expect(ephemeral.size).toBe(0);
  });

  test('an address is kept when settings change, but not when the trunk type does', async () => {
    const { sip, lead, change, ephemeral } = makeFleet([REG]);
    await lead();
    sip.respond = () => response(403);
    await change({ ...REG, password: 'new' });
    expect(ephemeral.size).toBe(1);
    await change(TRUNK);
    expect(ephemeral.size).toBe(0);
  });

  test('an address is removed with the last of the carrier’s trunks that holds it', async () => {
    const sibling: Trunk = { ...REG, gatewaySid: 'gw-2', port: 5070 };
    const { lead, change, ephemeral, timers } = makeFleet([REG, sibling]);
    await lead();
    expect(ephemeral.size).toBe(1);
    await change(sibling);
    await timers.advanceAsync(0);
    expect(ephemeral.size).toBe(1);
    await change();
    expect(ephemeral.size).toBe(0);
  });

  test.each([
    ['first', ['600', '3600']],
    ['second', ['3600', '600']],
  ])('an address that two trunks hold is kept until the later expiry: %s', async (_, [one = '', two = '']) => {
    const sibling: Trunk = { ...REG, gatewaySid: 'gw-2', port: 5070 };
    const { sip, lead, ephemeral, timers } = makeFleet([REG, sibling]);
    sip.respond = ({ headers }) => response(200, { Expires: headers['Call-ID'] === 'gw-1' ? one : two });
    await lead();
    expect([...ephemeral]).toEqual([['192.0.2.1 carrier-1', timers.now() + 3600 * SECOND]]);
    sip.respond = () => response(500);
    await timers.advanceAsync(3599 * SECOND);
    expect(ephemeral.size).toBe(1);
    await timers.advanceAsync(2 * SECOND);
    expect(ephemeral.size).toBe(0);
  });

  test('an address of two carriers is removed for each when its registration ends', async () => {
    const other: Trunk = { ...REG, gatewaySid: 'gw-2', carrierSid: 'carrier-2', username: 'other' };
    const { lead, change, ephemeral } = makeFleet([REG, other]);
    await lead();
    await change(other);
    expect([...ephemeral.keys()]).toEqual(['192.0.2.1 carrier-2']);
  });

  test.each([1, 3])(
    'the addresses are released when the carrier is disabled by %d refusals',
    async (failureThreshold) => {
      const { sip, lead, timers, ephemeral, view } = makeFleet([REG], { removeCodes: [403], failureThreshold });
      await lead();
      sip.respond = () => response(403);
      await timers.advanceAsync(1891 * SECOND);
      expect(view()).toMatchObject({ state: 'disabled', expiresAt: expect.any(Number) });
      expect(ephemeral.size).toBe(0);
    },
  );

  test('when the lead is lost, what waits to be written is dropped, and no timer is left', async () => {
    const { lead, fleet, ephemeral, timers, state } = makeFleet([REG]);
    state.ephemeralDown = true;
    await lead();
    fleet.lost();
    expect(timers.pending).toBe(0);
    state.ephemeralDown = false;
    await timers.advanceAsync(60 * SECOND);
    expect(ephemeral.size).toBe(0);
  });

  test('after the lead was lost and gained, addresses end with their registrations again', async () => {
    const { sip, lead, fleet, ephemeral, timers } = makeFleet([REG]);
    await lead();
    fleet.lost();
    await lead();
    sip.respond = () => response(500);
    await timers.advanceAsync(3601 * SECOND);
    expect(ephemeral.size).toBe(0);
  });

  test('after the lead was lost and gained, what we knew before counts no more', async () => {
    const sibling: Trunk = { ...REG, gatewaySid: 'gw-2', port: 5070 };
    const elsewhere: Trunk = { ...REG, gatewaySid: 'gw-3', carrierSid: 'carrier-3', host: 'other.example' };
    const { sip, lead, fleet, ephemeral, timers, directory, dns } = makeFleet([REG, sibling, elsewhere]);
    dns.set('other.example', ['192.0.2.3']);
    await lead();
    fleet.lost();
    const extended = timers.now() + 90_000 * SECOND;
    ephemeral.set('192.0.2.3 carrier-3', extended);
    directory.carriers = { ...directory.carriers, trunks: [sibling] };
    sip.respond = () => response(200, { Expires: '600' });
    await lead();
    expect(ephemeral.get('192.0.2.1 carrier-1')).toBe(timers.now() + 600 * SECOND);
    await timers.advanceAsync(7200 * SECOND);
    expect(ephemeral.get('192.0.2.3 carrier-3')).toBe(extended);
  });

  test('when the last registration ends, only the reading of the directory goes on', async () => {
    const { lead, change, timers } = makeFleet([REG]);
    await lead();
    await change();
    await timers.advanceAsync(5 * SECOND);
    expect(timers.pending).toBe(1);
  });

  test('addresses are written once the store is available again', async () => {
    const { lead, ephemeral, timers, state, logger } = makeFleet([REG]);
    state.ephemeralDown = true;
    await lead();
    await timers.advanceAsync(60 * SECOND);
    state.ephemeralDown = false;
    await timers.advanceAsync(5 * SECOND);
    expect(ephemeral.size).toBe(1);
    const failures = logger.lines.filter((l) => l.message === 'saving of ephemeral gateways failed');
    expect(failures.map((l) => l.level === 'debug')).toEqual([false, ...Array.from({ length: 12 }, () => true)]);
  });

  test('other trunk types have no addresses', async () => {
    const { lead, ephemeral } = makeFleet([TRUNK]);
    await lead();
    expect(ephemeral.size).toBe(0);
  });
});
