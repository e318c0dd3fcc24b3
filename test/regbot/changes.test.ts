import { describe, expect, test } from 'bun:test';
import type { Trunk } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { challenge, makeFleet, response, TRUNK } from './support.ts';

const SECOND = 1000;
type Sent = ReturnType<ReturnType<typeof makeFleet>['sip']['take']>[number];

const expiries = (sent: readonly Sent[]) => sent.map((s) => s.headers.Expires);
const cseqs = (sent: readonly Sent[]) => sent.map((s) => Number.parseInt(s.headers.CSeq ?? '', 10));
const rising = (numbers: readonly number[]) => [...new Set(numbers)].sort((a, b) => a - b);

describe('a change of where a trunk is registered, or as whom', () => {
  const FULL: Trunk = {
    ...TRUNK,
    port: 5060,
    transport: 'tls',
    outboundProxy: 'proxy.example',
    fromUser: 'line',
    fromDomain: 'a.example',
  };
  const CHANGES: [string, Partial<Trunk>][] = [
    ['host', { host: 'other.example' }],
    ['port', { port: 5070 }],
    ['transport', { transport: 'tcp' }],
    ['sips', { sips: true }],
    ['proxy', { outboundProxy: 'proxy2.example' }],
    ['realm', { realm: 'other.example' }],
    ['username', { username: 'other' }],
    ['from_user', { fromUser: 'other' }],
    ['from_domain', { fromDomain: 'b.example' }],
  ];
  test.each(CHANGES)('(%s) un-registers the old one, then registers the new one', async (_, change) => {
    const { sip, lead, change: read, view, resolved } = makeFleet([FULL]);
    await lead();
    const [before] = sip.take();
    const [lookup] = resolved.splice(0);
    await read({ ...FULL, ...change });
    const sent = sip.take();
    expect(expiries(sent)).toEqual(['0', '3600']);
    expect(sent[0]).toMatchObject({ uri: before?.uri ?? '', nextHop: before?.nextHop ?? {} });
    expect(sent[0]?.headers).toMatchObject({
      To: before?.headers.To ?? '',
      Contact: before?.headers.Contact?.replace('expires=3600', 'expires=0') ?? '',
      'Call-ID': 'gw-1',
    });
    expect(resolved[0]).toEqual(lookup ?? ['', 0, '']);
    expect(cseqs(sent)).toEqual(rising(cseqs(sent)));
    expect(sent[1]?.headers.Contact).not.toContain(',');
    expect(view().state).toBe('registered');
  });

  test.each([
    ['a removed setting', { ...TRUNK, fromUser: 'line' }, TRUNK],
    ['an added one', TRUNK, { ...TRUNK, port: 5070 }],
  ])('%s counts too', async (_, from: Trunk, to: Trunk) => {
    const { sip, lead, change } = makeFleet([from]);
    await lead();
    sip.take();
    await change(to);
    expect(expiries(sip.take())).toEqual(['0', '3600']);
  });

  test('un-registers with the old credentials', async () => {
    const { sip, lead, change } = makeFleet();
    sip.script(response(401, challenge('n1')));
    await lead();
    sip.take();
    sip.script(response(200), response(401, challenge('n2')));
    await change({ ...TRUNK, username: 'new', password: 'new' });
    const [unregister, first, second] = sip.take();
    expect(unregister?.headers.Authorization).toContain('username="user"');
    expect(first?.headers.Authorization).toBeUndefined();
    expect(second?.headers.Authorization).toContain('username="new"');
  });

  test.each([
    ['is refused', response(403)],
    ['cannot be sent', new Unavailable('drachtio', 'not connected')],
  ])('registers the new one too when un-registering %s', async (_, failure) => {
    const { sip, lead, change, view } = makeFleet();
    await lead();
    sip.take();
    sip.script(failure);
    await change({ ...TRUNK, realm: 'new.example' });
    expect(sip.take().map((s) => s.uri)).toEqual(['sip:carrier.example', 'sip:new.example']);
    expect(view().state).toBe('registered');
  });

  test('gives un-registering five seconds', async () => {
    const { sip, lead, change, timers, view } = makeFleet();
    await lead();
    sip.take();
    sip.respond = async ({ deadlineMs, headers }) => {
      if (headers.Expires !== '0') return response(200);
      await new Promise<void>((resolve) => timers.after(deadlineMs, resolve));
      return response(408, {}, { local: true });
    };
    await change({ ...TRUNK, realm: 'new.example' });
    expect(view().state).toBe('moving');
    await timers.advanceAsync(4 * SECOND);
    expect(sip.sent).toHaveLength(1);
    await timers.advanceAsync(1 * SECOND);
    expect(expiries(sip.take())).toEqual(['0', '3600']);
    expect(view().state).toBe('registered');
  });

  test('of what was never registered sends nothing to the old one', async () => {
    const { sip, lead, change } = makeFleet();
    sip.respond = () => response(403);
    await lead();
    sip.take();
    await change({ ...TRUNK, realm: 'new.example' });
    expect(sip.take().map((s) => s.uri)).toEqual(['sip:new.example']);
  });

  test.each([
    ['while the first REGISTER is pending', {}],
    ['after another change while it was pending', { password: 'new' }],
  ])('%s un-registers what may still be granted', async (_, first: Partial<Trunk>) => {
    const { sip, lead, change, timers } = makeFleet([TRUNK], { batchSize: 1, batchSleepMs: 60_000 });
    const late = Promise.withResolvers<SipResponse>();
    sip.respond = () => late.promise;
    await lead();
    await change({ ...TRUNK, ...first });
    sip.respond = () => response(200);
    await change({ ...TRUNK, ...first, realm: 'new.example' });
    await timers.advanceAsync(120 * SECOND);
    expect(expiries(sip.take())).toEqual(['3600', '0', '3600']);
  });

  test('back again before it has registered there ends with one registration', async () => {
    const { sip, lead, change, view } = makeFleet();
    await lead();
    sip.take();
    const late = Promise.withResolvers<SipResponse>();
    sip.script(late.promise);
    await change({ ...TRUNK, realm: 'new.example' });
    await change(TRUNK);
    late.resolve(response(200));
    await change(TRUNK);
    expect(sip.take().map((s) => [s.uri, s.headers.Expires])).toEqual([
      ['sip:carrier.example', '0'],
      ['sip:carrier.example', '3600'],
    ]);
    expect(view().state).toBe('registered');
  });

  test('and its removal while it un-registers leaves nothing registered', async () => {
    const { sip, lead, change, fleet } = makeFleet();
    await lead();
    sip.take();
    sip.script(new Promise<SipResponse>(() => {}));
    await change({ ...TRUNK, realm: 'new.example' });
    await change();
    expect(sip.take().map((s) => [s.uri, s.headers.Expires])).toEqual([
      ['sip:carrier.example', '0'],
      ['sip:carrier.example', '0'],
    ]);
    expect(fleet.snapshot()).toEqual([]);
  });

  test('after its removal, while it un-registers, waits for that', async () => {
    const { sip, lead, change, timers } = makeFleet([TRUNK], { batchSize: 1, batchSleepMs: 10_000 });
    await lead();
    sip.take();
    await change();
    await change({ ...TRUNK, realm: 'new.example' });
    await timers.advanceAsync(30 * SECOND);
    expect(sip.take().map((s) => [s.uri, s.headers.Expires])).toEqual([
      ['sip:carrier.example', '0'],
      ['sip:new.example', '3600'],
    ]);
  });

  test('sends nothing more when the lead is lost meanwhile', async () => {
    const { sip, lead, change, fleet, timers } = makeFleet();
    await lead();
    sip.take();
    const late = Promise.withResolvers<SipResponse>();
    sip.script(late.promise);
    await change({ ...TRUNK, realm: 'new.example' });
    fleet.lost();
    late.resolve(response(200));
    await timers.advanceAsync(600 * SECOND);
    expect(expiries(sip.take())).toEqual(['0']);
    expect(timers.pending).toBe(0);
  });

  test('of a trunk that was disabled un-registers what the carrier still holds', async () => {
    const { sip, lead, change, timers, view } = makeFleet([TRUNK], { removeCodes: [403], failureThreshold: 1 });
    sip.script(response(200), response(403));
    await lead();
    await timers.advanceAsync(1800 * SECOND);
    expect(view().state).toBe('disabled');
    sip.take();
    await change({ ...TRUNK, realm: 'new.example' });
    expect(sip.take().map((s) => [s.uri, s.headers.Expires])).toEqual([
      ['sip:carrier.example', '0'],
      ['sip:new.example', '3600'],
    ]);
  });

  test('releases the addresses of a carrier that no longer has the gateway', async () => {
    const reg: Trunk = { ...TRUNK, trunkType: 'reg' };
    const { sip, lead, change, ephemeral } = makeFleet([reg]);
    await lead();
    sip.respond = () => response(500);
    await change({ ...reg, carrierSid: 'carrier-2' });
    expect([...ephemeral.keys()]).toEqual([]);
  });

  test('keeps the addresses of trunk type reg until the new one has registered or failed', async () => {
    const reg: Trunk = { ...TRUNK, trunkType: 'reg' };
    const { sip, lead, change, ephemeral, dns } = makeFleet([reg]);
    await lead();
    const late = Promise.withResolvers<SipResponse>();
    sip.script(response(200), late.promise);
    await change({ ...reg, username: 'new' });
    expect([...ephemeral.keys()]).toEqual(['192.0.2.1 carrier-1']);
    dns.set(reg.host, ['192.0.2.2']);
    late.resolve(response(200));
    await change({ ...reg, username: 'newer' });
    expect([...ephemeral.keys()].sort()).toEqual(['192.0.2.1 carrier-1', '192.0.2.2 carrier-1']);
    sip.script(response(200), response(403));
    await change({ ...reg, username: 'newest' });
    expect([...ephemeral.keys()]).toEqual([]);
  });
});

test.each([
  ['password', { password: 'new' }],
  ['name', { carrierName: 'New' }],
])('a change of only the %s keeps the registration and registers again', async (_, change: Partial<Trunk>) => {
  const { sip, lead, change: read, view } = makeFleet();
  await lead();
  sip.take();
  sip.respond = () => response(500);
  const { expiresAt } = view();
  await read({ ...TRUNK, ...change });
  expect(expiries(sip.take())).toEqual(['3600']);
  expect(view()).toMatchObject({ state: 'failing', expiresAt: expiresAt ?? 0 });
});

describe('a change of settings begins anew', () => {
  const NEW = { ...TRUNK, password: 'new' };

  test('with the default expiry', async () => {
    const { sip, lead, change } = makeFleet([TRUNK], { defaultExpires: 60 });
    sip.script(response(423, { 'Min-Expires': '900' }));
    await lead();
    sip.take();
    await change(NEW);
    expect(expiries(sip.take())).toEqual(['60']);
  });

  test('with the shortest delay after a failure', async () => {
    const { sip, lead, change, timers, view } = makeFleet();
    sip.respond = () => response(500);
    await lead();
    await timers.advanceAsync(30 * SECOND);
    expect(view().failures).toBe(2);
    await change(NEW);
    expect(view()).toMatchObject({ failures: 1, nextTryAt: timers.now() + 30 * SECOND });
  });

  test('with no refusals', async () => {
    const { sip, lead, change, timers, view } = makeFleet([TRUNK], { removeCodes: [403] });
    sip.respond = () => response(403);
    await lead();
    await timers.advanceAsync(30 * SECOND);
    await change(NEW);
    expect(view().state).toBe('failing');
  });
});

test('a gateway made anew with the same settings registers after the old one has un-registered', async () => {
  const { sip, lead, change, fleet } = makeFleet();
  await lead();
  sip.take();
  const late = Promise.withResolvers<SipResponse>();
  sip.script(late.promise);
  await change({ ...TRUNK, gatewaySid: 'gw-2' });
  expect(expiries(sip.take())).toEqual(['0']);
  late.resolve(response(200));
  await late.promise;
  await change({ ...TRUNK, gatewaySid: 'gw-2' });
  expect(sip.take().map((s) => [s.headers['Call-ID'], s.headers.Expires])).toEqual([['gw-2', '3600']]);
  expect(fleet.snapshot().map((v) => [v.gateway, v.state])).toEqual([['gw-2', 'registered']]);
});

test('a gateway made anew that is gone again before its turn registers nothing', async () => {
  const { sip, lead, change, fleet, timers } = makeFleet();
  await lead();
  sip.take();
  const late = Promise.withResolvers<SipResponse>();
  sip.script(late.promise);
  await change({ ...TRUNK, gatewaySid: 'gw-2' });
  await change();
  late.resolve(response(200));
  await timers.advanceAsync(0);
  expect(expiries(sip.take())).toEqual(['0']);
  expect(fleet.snapshot()).toEqual([]);
});

test('a gateway with the settings that another one had does not wait for one that stays', async () => {
  const { sip, lead, change, fleet } = makeFleet();
  await lead();
  sip.take();
  sip.script(new Promise<SipResponse>(() => {}));
  await change();
  await change({ ...TRUNK, realm: 'new.example' }, { ...TRUNK, gatewaySid: 'gw-2' });
  expect(fleet.snapshot().map((v) => [v.gateway, v.state])).toEqual([
    ['gw-1', 'registered'],
    ['gw-2', 'registered'],
  ]);
});

test('CSeq rises within a Call-ID, also when a carrier is switched off and on within a second', async () => {
  const { sip, lead, change, fleet } = makeFleet();
  let nonce = 0;
  // Chatty: two requests for each registration.
  sip.respond = ({ headers }) =>
    headers.Authorization?.includes(`"n${nonce}"`) ? response(200) : response(401, challenge(`n${++nonce}`));
  await lead();
  for (let i = 0; i < 3; i++) {
    await change();
    await change(TRUNK);
  }
  fleet.lost();
  await lead();
  const sent = cseqs(sip.take());
  expect(sent.length).toBeGreaterThan(10);
  expect(sent).toEqual(rising(sent));
});
