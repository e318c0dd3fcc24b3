import { describe, expect, test } from 'bun:test';
import type { Trunk } from '../../src/ports/carriers.ts';
import type { SipResponse } from '../../src/sip/message.ts';
import { challenge, makeFleet, response, TRUNK } from './support.ts';

const SECOND = 1000;
const IP: Trunk = { ...TRUNK, publicIpInContact: true };
const OURS = 'sip:user@203.0.113.7:5060;transport=udp';
const OLD = 'sip:user@203.0.113.1:5060;transport=udp';
const REGISTRAR = 'sip:carrier.example user@carrier.example';
const BOTH = `<${OURS}>;expires=3600, <${OLD}>;expires=0`;

/** A fleet after a leader whose Contact was another. */
function successor(trunk: Trunk = IP, more: { contact?: string; registrar?: string; seconds?: number } = {}) {
  const made = makeFleet([trunk]);
  const { contact = OLD, registrar = REGISTRAR, seconds = 600 } = more;
  made.contacts.set('gw-1', { contact, until: made.timers.now() + seconds * SECOND, registrar });
  return { ...made, contactsSent: () => made.sip.take().map((s) => s.headers.Contact) };
}

test('what a carrier holds is saved at each 200 and removed when it is un-registered', async () => {
  const { lead, contacts, timers, change } = makeFleet([IP]);
  await lead();
  const held = { contact: OURS, registrar: REGISTRAR };
  expect([...contacts]).toEqual([['gw-1', { ...held, until: timers.now() + 3600 * SECOND }]]);
  await timers.advanceAsync(1800 * SECOND);
  expect([...contacts]).toEqual([['gw-1', { ...held, until: timers.now() + 3600 * SECOND }]]);
  await change();
  expect(contacts.size).toBe(0);
});

test('a refusal saves nothing', async () => {
  const { sip, lead, contacts } = makeFleet([IP]);
  sip.respond = () => response(403);
  await lead();
  expect(contacts.size).toBe(0);
});

describe('the Contact of an earlier leader', () => {
  test('is removed by the REGISTER that adds ours, with credentials too, and then no more', async () => {
    const { sip, lead, contactsSent, timers, contacts } = successor();
    sip.script(response(401, challenge('n')));
    await lead();
    expect(contactsSent()).toEqual([BOTH, BOTH]);
    expect(contacts.get('gw-1')?.contact).toBe(OURS);
    await timers.advanceAsync(1800 * SECOND);
    expect(contactsSent()).toEqual([`<${OURS}>;expires=3600`]);
  });

  test('is removed later if the carrier does not answer at first', async () => {
    const { sip, lead, contactsSent, timers } = successor();
    sip.script(response(408));
    await lead();
    await timers.advanceAsync(30 * SECOND);
    expect(contactsSent()).toEqual([BOTH, BOTH]);
  });

  test.each([
    ['has expired', { seconds: 0 }],
    ['is ours', { contact: OURS }],
    ['is ours in another form', { contact: 'SIP:%75ser@203.0.113.7:5060;Transport=UDP' }],
    ['is at another registrar', { registrar: 'sip:carrier.example other@carrier.example' }],
    ['is no SIP URI', { contact: 'x' }],
    ['would break the header', { contact: `${OLD}\r\nEvil: 1` }],
  ])('is left alone when it %s', async (_, more) => {
    const { lead, contactsSent, view } = successor(IP, more);
    await lead();
    expect(contactsSent()).toEqual([`<${OURS}>;expires=3600`]);
    expect(view().state).toBe('registered');
  });

  test('is left alone once it has expired, also before the directory is read again', async () => {
    const { sip, lead, contactsSent, timers } = successor(IP, { seconds: 20 });
    sip.script(response(408));
    await lead();
    expect(contactsSent()).toEqual([BOTH]);
    await timers.advanceAsync(35 * SECOND);
    expect(contactsSent()).toEqual([`<${OURS}>;expires=3600`]);
  });

  test.each([400, 403, 480, 488])('is un-registered first where %d refuses both in one request', async (status) => {
    const { sip, lead, contactsSent, view, contacts, timers } = successor();
    sip.script(response(status));
    await lead();
    expect(sip.sent.map((s) => s.headers.Expires)).toEqual(['3600', '0', '3600']);
    expect(contactsSent()).toEqual([BOTH, `<${OLD}>;expires=0`, `<${OURS}>;expires=3600`]);
    expect(view()).toMatchObject({ state: 'registered', failures: 0 });
    expect(contacts.get('gw-1')?.contact).toBe(OURS);
    await timers.advanceAsync(1800 * SECOND);
    expect(contactsSent()).toEqual([`<${OURS}>;expires=3600`]);
  });

  test.each([500, 503, 603])(
    'is un-registered first where %d may mean that there is no room for ours',
    async (status) => {
      const { sip, lead, contactsSent, view } = successor();
      sip.script(response(status));
      await lead();
      expect(contactsSent()).toEqual([BOTH, `<${OLD}>;expires=0`, `<${OURS}>;expires=3600`]);
      expect(view()).toMatchObject({ state: 'registered', failures: 0 });
    },
  );

  test('is remembered when a server that fails does not un-register it either', async () => {
    const { sip, lead, contactsSent, timers, contacts } = successor();
    sip.respond = () => response(503);
    await lead();
    expect(contactsSent()).toEqual([BOTH, `<${OLD}>;expires=0`]);
    expect(contacts.get('gw-1')?.contact).toBe(OLD);
    sip.respond = () => response(200);
    await timers.advanceAsync(30 * SECOND);
    expect(contactsSent()).toEqual([BOTH]);
    expect(contacts.get('gw-1')?.contact).toBe(OURS);
  });

  test('is given up when un-registering it is refused too', async () => {
    const { sip, lead, contactsSent, timers, view } = successor();
    sip.respond = () => response(403);
    await lead();
    expect(contactsSent()).toEqual([BOTH, `<${OLD}>;expires=0`, `<${OURS}>;expires=3600`]);
    expect(view()).toMatchObject({ state: 'failing', failures: 1 });
    await timers.advanceAsync(30 * SECOND);
    expect(contactsSent()).toEqual([`<${OURS}>;expires=3600`]);
  });

  test.each([
    ['credentials', () => response(401, challenge('n'))],
    ['a timeout', () => response(408)],
    ['too short an expiry', () => response(423)],
    ['too many requests', () => response(429)],
    ['too much load', () => response(503, { 'Retry-After': '5' })],
    ['a carrier that is not reached', () => response(503, {}, { local: true })],
  ])('is not the reason of a refusal for %s', async (_, answer) => {
    const { sip, lead, contactsSent } = successor();
    sip.respond = answer;
    await lead();
    expect(new Set(contactsSent())).toEqual(new Set([BOTH]));
  });

  test('is not un-registered, nor anything registered, when the lead is lost meanwhile', async () => {
    for (const at of [1, 2]) {
      const { sip, lead, fleet, timers, contacts } = successor();
      const late = Promise.withResolvers<SipResponse>();
      sip.respond = () => (sip.sent.length === at ? late.promise : response(403));
      await lead();
      fleet.lost();
      late.resolve(response(403));
      await timers.advanceAsync(600 * SECOND);
      expect(sip.sent).toHaveLength(at);
      expect(contacts.get('gw-1')?.contact).toBe(OLD);
    }
  });

  test('is un-registered with a trunk that is removed before it could register', async () => {
    const { sip, lead, change, contactsSent, contacts } = successor();
    sip.respond = () => response(503);
    await lead();
    contactsSent();
    await change();
    expect(contactsSent()).toEqual([`<${OLD}>;expires=0`]);
    expect(contacts.size).toBe(0);
  });
});

describe('our own Contact', () => {
  test('replaces that of before when the public address goes into it', async () => {
    const { sip, lead, change } = makeFleet([TRUNK]);
    await lead();
    sip.take();
    await change(IP);
    const before = 'sip:user@acme.sip.example;transport=udp';
    expect(sip.take().map((s) => s.headers.Contact)).toEqual([`<${OURS}>;expires=3600, <${before}>;expires=0`]);
    await change(TRUNK);
    expect(sip.take().map((s) => s.headers.Contact)).toEqual([`<${before}>;expires=3600, <${OURS}>;expires=0`]);
  });

  test('replaces that of before when our address changes, and is un-registered as it was registered', async () => {
    const { sip, lead, timers, change } = makeFleet([IP]);
    await lead();
    sip.take();
    sip.hostports = 'udp/203.0.113.8:5060';
    await timers.advanceAsync(1800 * SECOND);
    const now = 'sip:user@203.0.113.8:5060;transport=udp';
    expect(sip.take().map((s) => s.headers.Contact)).toEqual([`<${now}>;expires=3600, <${OURS}>;expires=0`]);
    sip.hostports = 'udp/203.0.113.9:5060';
    await change();
    expect(sip.take().map((s) => s.headers.Contact)).toEqual([`<${now}>;expires=0`]);
  });

  test('has the family of each next hop', async () => {
    const { sip, lead, dns } = makeFleet([IP]);
    sip.hostports = 'udp/203.0.113.7:5060,udp/[2001:db8::7]:5060';
    dns.set(IP.host, ['2001:db8::1', '192.0.2.1']);
    sip.script(response(503));
    await lead();
    expect(sip.take().map((s) => s.headers.Contact)).toEqual([
      '<sip:user@[2001:db8::7]:5060;transport=udp>;expires=3600',
      `<${OURS}>;expires=3600`,
    ]);
  });
});

describe('the store', () => {
  const NOT_READ = 'contacts of earlier registrations not read';

  test('being away delays no registration, and what it missed is written later', async () => {
    const { lead, state, view, timers, logger, contacts } = successor();
    state.contactsDown = true;
    await lead();
    expect(view().state).toBe('registered');
    expect(logger.lines.map((l) => l.message)).toContain(NOT_READ);
    state.contactsDown = false;
    await timers.advanceAsync(5 * SECOND);
    expect(contacts.get('gw-1')?.contact).toBe(OURS);
  });

  test('hanging delays registrations by two seconds', async () => {
    const { lead, state, view, timers, fleet, logger } = successor();
    state.contactsGate = new Promise(() => {});
    await lead();
    await timers.advanceAsync(1999);
    expect(fleet.snapshot()).toEqual([]);
    await timers.advanceAsync(1);
    expect(view().state).toBe('registered');
    expect(logger.lines.map((l) => l.message)).toContain(NOT_READ);
  });

  test('answering after the lead was lost is not heard', async () => {
    const { lead, state, timers, fleet, contacts, contactsSent } = successor();
    const gate = Promise.withResolvers<void>();
    state.contactsGate = gate.promise;
    await lead();
    fleet.lost();
    gate.resolve();
    await timers.advanceAsync(0);
    contacts.clear();
    await lead();
    expect(contactsSent()).toEqual([`<${OURS}>;expires=3600`]);
  });

  test('loses the Contact of a trunk that is un-registered, also when it could not be read', async () => {
    const { lead, state, change, contacts, timers } = makeFleet([IP]);
    state.contactsDown = true;
    await lead();
    contacts.set('gw-1', { contact: OURS, until: timers.now() + 3600 * SECOND, registrar: REGISTRAR });
    state.contactsDown = false;
    await change();
    await timers.advanceAsync(5 * SECOND);
    expect(contacts.size).toBe(0);
  });

  test('gets nothing more from us once the lead is lost', async () => {
    const { lead, state, fleet, contacts, timers } = makeFleet([IP]);
    state.contactsDown = true;
    await lead();
    fleet.lost();
    state.contactsDown = false;
    await timers.advanceAsync(60 * SECOND);
    expect(contacts.size).toBe(0);
  });

  test('loses what has expired, also of trunks that are gone', async () => {
    const { lead, contacts, timers } = makeFleet([IP]);
    const registrar = REGISTRAR;
    contacts.set('gw-8', { contact: OLD, until: timers.now(), registrar });
    contacts.set('gw-9', { contact: OLD, until: timers.now() + 90 * SECOND, registrar });
    await lead();
    expect([...contacts.keys()]).toEqual(['gw-9', 'gw-1']);
    await timers.advanceAsync(120 * SECOND);
    expect([...contacts.keys()]).toEqual(['gw-1']);
  });

  test('keeps what the carriers hold when the lead is lost, and it is read again', async () => {
    const { sip, lead, contacts, fleet, timers } = makeFleet([IP]);
    await lead();
    sip.take();
    fleet.lost();
    await timers.advanceAsync(10 * SECOND);
    expect(contacts.size).toBe(1);
    contacts.set('gw-1', { contact: OLD, until: timers.now() + 60 * SECOND, registrar: REGISTRAR });
    await lead();
    expect(sip.take().map((s) => s.headers.Contact)).toEqual([BOTH]);
    expect(timers.pending).toBeLessThan(5);
  });
});
