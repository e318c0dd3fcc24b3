import { describe, expect, test } from 'bun:test';
import { backgroundFailures } from '../../src/lib/background.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import { NO_EVENTS, type SidecarEvent } from '../../src/ports/events.ts';
import type { Aor, BindingSource, Removal } from '../../src/ports/location.ts';
import { ConnectionBindings } from '../../src/register/connection-bindings.ts';
import { parseRegister } from '../../src/register/register-request.ts';
import { Refusal } from '../../src/register/reject.ts';
import { openCore } from '../support/core.ts';
import { RecordingLogger } from '../support/logger.ts';
import { headerOf, Phone, pipeline } from '../support/phone.ts';
import { sipRequest } from '../support/sip-request.ts';
import { ManualTimers, settle } from '../support/timers.ts';

const GRACE_MS = 10_000;
const TCP = 'SIP/2.0/TCP 192.0.2.7;branch=z9hG4bK1';
const FROM = { address: '192.0.2.7', port: 5060 };
const ONE_REMOVED: Removal = { removed: [], remaining: 0 };
const CONNECTION = { protocol: 'tcp', ...FROM };

function start(graceSeconds = GRACE_MS / 1000, maxAors = 1000) {
  const { rules, location, clock } = openCore();
  const timers = new ManualTimers(clock.now());
  const logger = new RecordingLogger();
  const events: SidecarEvent[] = [];
  const closedPorts = new Set<number>();
  const isOpen = (_address: string, port: number) => !closedPorts.has(port);
  const connections = new ConnectionBindings({
    location,
    events: { emit: (event) => events.push(event) },
    isOpen,
    graceSeconds,
    maxAors,
    timers,
    logger,
  });
  const close = (connection: typeof CONNECTION) => {
    closedPorts.add(connection.port);
    connections.closed(connection);
  };
  const withConnections = { ...rules, connections };
  const phone = new Phone(pipeline(withConnections), 'alice', 'wonderland');
  const contacts = async () => headerOf(await phone.register({ contact: null, via: TCP }), 'Contact');
  const pass = async (ms: number) => {
    clock.advance(ms);
    await timers.advanceAsync(ms);
    // SQLite commits at the end of the event loop's turn.
    await new Promise((resolve) => setImmediate(resolve));
    await settle();
  };
  return {
    rules: withConnections,
    events,
    clock,
    timers,
    logger,
    closedPorts,
    close,
    connections,
    phone,
    contacts,
    pass,
  };
}

describe('when its connection closes, a binding', () => {
  test('is removed after the grace period, not before', async () => {
    const { close, phone, contacts, pass } = start();
    expect((await phone.register({ via: TCP })).status).toBe(200);
    close(CONNECTION);
    await pass(GRACE_MS - 1);
    expect(await contacts()).toContain('alice@192.0.2.7');
    await pass(1);
    expect(await contacts()).toBeUndefined();
  });

  test('stays when the phone has registered from another port', async () => {
    const { close, phone, contacts, pass } = start();
    await phone.register({ via: TCP });
    close(CONNECTION);
    await phone.register({ via: TCP, source: { address: '192.0.2.7', port: 5061 } });
    await pass(GRACE_MS);
    expect(await contacts()).toContain('alice@192.0.2.7');
  });

  test('stays when the phone reconnects from the same port, even if it only refreshes', async () => {
    const { close, closedPorts, phone, contacts, pass } = start();
    await phone.register({ via: TCP });
    close(CONNECTION);
    closedPorts.clear();
    expect((await phone.send({ via: TCP })).status).toBe(200);
    await pass(GRACE_MS);
    expect(await contacts()).toContain('alice@192.0.2.7');
    close(CONNECTION);
    await pass(GRACE_MS);
    expect(await contacts()).toBeUndefined();
  });

  test.each([
    ['another port', { ...CONNECTION, port: 5061 }],
    ['another address', { ...CONNECTION, address: '192.0.2.8' }],
  ])('stays when the connection was from %s', async (_what, other) => {
    const { close, phone, contacts, pass } = start();
    await phone.register({ via: TCP });
    close(other);
    await pass(GRACE_MS);
    expect(await contacts()).toContain('alice@192.0.2.7');
  });

  test('stays while another connection from the same port is open', async () => {
    const { close, connections, phone, contacts, pass } = start();
    await phone.register({ via: TCP });
    connections.closed(CONNECTION);
    await pass(GRACE_MS);
    expect(await contacts()).toContain('alice@192.0.2.7');
    close(CONNECTION);
    await pass(GRACE_MS);
    expect(await contacts()).toBeUndefined();
  });

  test('is removed whatever the transport in Via, because a proxy may have terminated TLS', async () => {
    const { close, phone, contacts, pass } = start();
    const via = 'SIP/2.0/WSS 192.0.2.7;branch=z9hG4bK1';
    await phone.register({ via });
    close({ ...CONNECTION, protocol: 'ws' });
    await pass(GRACE_MS);
    expect(await contacts()).toBeUndefined();
  });

  test('is removed even if the connection closed before it was stored', async () => {
    const { close, connections, phone, contacts, pass, timers } = start();
    close(CONNECTION);
    expect((await phone.register({ via: TCP })).status).toBe(200);
    expect(connections.inUse(CONNECTION)).toBe(false);
    await pass(GRACE_MS - 1);
    expect(await contacts()).toContain('alice@192.0.2.7');
    expect((await phone.send({ via: TCP })).status).toBe(200);
    await pass(GRACE_MS);
    expect(await contacts()).toBeUndefined();
    expect(timers.pending).toBe(0);
  });

  test('stays until it expires when the grace period is 0', async () => {
    const { close, phone, contacts, pass, timers } = start(0);
    await phone.register({ via: TCP });
    close(CONNECTION);
    await pass(60_000);
    expect(await contacts()).toContain('alice@192.0.2.7');
    expect(timers.pending).toBe(0);
  });

  test('is removed for each user of the connection', async () => {
    const { close, phone, pass, rules, contacts } = start();
    await phone.register({ via: TCP });
    const bob = new Phone(pipeline(rules), 'bob', 'builder');
    await bob.register({ via: TCP });
    close(CONNECTION);
    await pass(GRACE_MS);
    expect(await contacts()).toBeUndefined();
    expect(headerOf(await bob.register({ contact: null, via: TCP }), 'Contact')).toBeUndefined();
  });
});

test('only the users who have not reconnected from the same port lose their bindings', async () => {
  const { close, closedPorts, phone, pass, rules, contacts } = start();
  const bob = new Phone(pipeline(rules), 'bob', 'builder');
  for (const each of [phone, bob]) await each.register({ via: TCP });
  close(CONNECTION);
  closedPorts.clear();
  await phone.send({ via: TCP });
  await pass(GRACE_MS);
  expect(await contacts()).toContain('alice@192.0.2.7');
  expect(headerOf(await bob.register({ contact: null, via: TCP }), 'Contact')).toBeUndefined();
});

test('a binding that another sidecar saved after the connection closed stays', async () => {
  const { close, phone, pass, rules, contacts } = start();
  await phone.register({ via: TCP });
  close(CONNECTION);
  await pass(1000);
  const { connections: _, ...elsewhere } = rules;
  const contact = '<sip:alice@192.0.2.7:5060;new>';
  await new Phone(pipeline(elsewhere), 'alice', 'wonderland').register({ via: TCP, contact });
  await pass(GRACE_MS);
  expect(await contacts()).toContain('sip:alice@192.0.2.7:5060;new');
});

test('a connection is in use as long as the last of several bindings', async () => {
  const { connections, pass, rules } = start();
  const phone = new Phone(pipeline({ ...rules, maxContacts: 2 }), 'alice', 'wonderland');
  const contact = '<sip:alice@192.0.2.7>;expires=1000, <sip:alice@192.0.2.8>;expires=100';
  await phone.register({ via: TCP, contact });
  await pass(999_000);
  expect(connections.inUse(CONNECTION)).toBe(true);
  await pass(1000);
  expect(connections.inUse(CONNECTION)).toBe(false);
});

test('an AOR that is tracked is renewed at the limit too', async () => {
  const { connections, phone, pass } = start(10, 1);
  await phone.register({ via: TCP });
  await pass(590_000);
  await phone.register({ via: TCP });
  await pass(100_000);
  expect(connections.inUse(CONNECTION)).toBe(true);
});

test('a connection is in use until the bindings made over it expire', async () => {
  const { close, connections, phone, pass } = start();
  expect(connections.inUse(CONNECTION)).toBe(false);
  await phone.register({ via: TCP, expires: '3600' });
  expect(connections.inUse(CONNECTION)).toBe(true);
  expect(connections.inUse({ ...CONNECTION, port: 5061 })).toBe(false);
  await pass(3_599_000);
  expect(connections.inUse(CONNECTION)).toBe(true);
  await pass(1000);
  expect(connections.inUse(CONNECTION)).toBe(false);
  await phone.register({ via: TCP, expires: '3600' });
  close(CONNECTION);
  expect(connections.inUse(CONNECTION)).toBe(false);
});

test('a connection is no longer in use once its phone has unregistered', async () => {
  const { connections, phone } = start();
  await phone.register({ via: TCP });
  await phone.register({ via: TCP, expires: '0' });
  expect(connections.inUse(CONNECTION)).toBe(false);
  await phone.register({ via: TCP });
  await phone.register({ via: TCP, contact: '*', expires: '0' });
  expect(connections.inUse(CONNECTION)).toBe(false);
});

test('the actual transport counts, not the one in Via', async () => {
  const { close, phone, contacts, pass, connections } = start();
  close(CONNECTION);
  await phone.register({ via: TCP, source: { transport: 'udp' } });
  await pass(GRACE_MS);
  expect(await contacts()).toContain('alice@192.0.2.7');
  const { close: closeOther, phone: other, connections: others } = start();
  await other.register({ source: { transport: 'tls' } });
  expect(connections.inUse(CONNECTION)).toBe(false);
  expect(others.inUse(CONNECTION)).toBe(true);
  closeOther(CONNECTION);
  expect(others.inUse(CONNECTION)).toBe(false);
});

test('a phone that reconnects twice and only refreshes keeps its binding', async () => {
  const { close, closedPorts, phone, contacts, pass } = start();
  await phone.register({ via: TCP });
  for (let i = 0; i < 2; i++) {
    close(CONNECTION);
    await pass(GRACE_MS / 4);
    closedPorts.clear();
    expect((await phone.send({ via: TCP })).status).toBe(200);
  }
  await pass(GRACE_MS * 2);
  expect(await contacts()).toContain('alice@192.0.2.7');
});

test('nothing is scheduled for a phone that has unregistered', async () => {
  const { close, phone, timers } = start();
  await phone.register({ via: TCP });
  await phone.register({ via: TCP, expires: '0' });
  close(CONNECTION);
  expect(timers.pending).toBe(0);
});

test.each([0, GRACE_MS / 1000])(
  'an AOR no longer counts towards the limit after a grace period of %d s or an unregistration',
  async (grace) => {
    const { close, closedPorts, phone, pass, rules, connections } = start(grace, 1);
    const bob = new Phone(pipeline(rules, { address: '192.0.2.7', port: 5062 }), 'bob', 'builder');
    const BOBS = { ...CONNECTION, port: 5062 };
    for (let i = 0; i < 2; i++) {
      await phone.register({ via: TCP });
      await bob.register({ via: TCP });
      expect([connections.inUse(CONNECTION), connections.inUse(BOBS)]).toEqual([true, false]);
      close(CONNECTION);
      await pass(GRACE_MS);
      closedPorts.clear();
    }
    await phone.register({ via: TCP });
    await phone.register({ via: TCP, expires: '0' });
    await bob.register({ via: TCP });
    expect(connections.inUse(BOBS)).toBe(true);
  },
);

test('a removal is retried while the store is unavailable, but not for ever', async () => {
  const removals: [Aor, BindingSource][] = [];
  let unavailable = true;
  const { rules, clock } = openCore();
  const location = {
    removeFrom: async (aor: Aor, source: BindingSource) => {
      removals.push([aor, source]);
      if (unavailable) throw new Unavailable('Redis', 'gone');
      return ONE_REMOVED;
    },
  };
  const timers = new ManualTimers(clock.now());
  const logger = new RecordingLogger();
  const closedPorts = new Set<number>();
  const isOpen = (_address: string, port: number) => !closedPorts.has(port);
  const connections = new ConnectionBindings({
    location,
    isOpen,
    graceSeconds: 10,
    events: NO_EVENTS,
    timers,
    logger,
  });
  const phone = new Phone(pipeline({ ...rules, connections }), 'alice', 'wonderland');
  const lose = async () => {
    await phone.send({ via: TCP });
    await phone.register({ via: TCP });
    closedPorts.add(CONNECTION.port);
    connections.closed(CONNECTION);
    closedPorts.clear();
    await timers.advanceAsync(10_000);
  };

  await lose();
  expect(removals).toHaveLength(1);
  unavailable = false;
  await timers.advanceAsync(5000);
  expect(removals).toHaveLength(2);
  expect(timers.pending).toBe(0);

  unavailable = true;
  await lose();
  await timers.advanceAsync(3_600_000);
  expect(removals).toHaveLength(2 + 12);
  expect(backgroundFailures(logger).get('removal of bindings of a lost connection')).toBe(1 + 12);

  await lose();
  connections.stop();
  const before = removals.length;
  await timers.advanceAsync(3_600_000);
  expect(removals).toHaveLength(before);
});

describe('the removals of a lost connection', () => {
  const realm = 'sip.example.com';

  /** A connection of this many users, which has closed; `removed` has the users whose removal was begun. */
  async function lose(users: number, removeFrom: () => Promise<Removal>) {
    const timers = new ManualTimers();
    const logger = new RecordingLogger();
    const removed: string[] = [];
    const { rules } = openCore();
    const location = {
      removeFrom(aor: Aor) {
        removed.push(aor.user);
        return removeFrom();
      },
    };
    let open = true;
    const connections = new ConnectionBindings({
      location,
      isOpen: () => open,
      graceSeconds: 10,
      events: NO_EVENTS,
      timers,
      logger,
    });
    await new Phone(pipeline({ ...rules, connections }), 'alice', 'wonderland').register({ via: TCP });
    const { bindings } = await rules.location.lookup({ user: 'alice', realm }, { several: false });
    const source = { transport: 'tcp', ...FROM } as const;
    for (let i = 1; i < users; i++) {
      const to = `<sip:user${i}@${realm}>`;
      const request = sipRequest('REGISTER', `sip:${realm}`, { To: to }, source);
      const parsed = parseRegister(request, rules.limits);
      if (parsed instanceof Refusal) throw new Error(parsed.reason);
      connections.registered(request, parsed, bindings);
    }
    open = false;
    connections.closed(FROM);
    await timers.advanceAsync(10_000);
    return { connections, timers, logger, removed };
  }

  test('are those of its first 1000 AORs', async () => {
    const { removed } = await lose(1002, async () => ONE_REMOVED);
    expect(removed).toHaveLength(1000);
    expect(removed).toContain('user999');
  });

  test('are not begun after a stop', async () => {
    const release = Promise.withResolvers<Removal>();
    const { connections, removed } = await lose(60, () => release.promise);
    const begun = removed.length;
    expect(begun).toBeLessThan(60);
    connections.stop();
    release.resolve(ONE_REMOVED);
    await settle();
    expect(removed).toHaveLength(begun);
  });

  test('are logged and not retried when they fail for another reason than an outage', async () => {
    const { logger, removed, timers } = await lose(1, () => Promise.reject(new TypeError('oops')));
    await timers.advanceAsync(3_600_000);
    expect(removed).toEqual(['alice']);
    expect(logger.lines).toMatchObject([{ level: 'error' }]);
  });
});
