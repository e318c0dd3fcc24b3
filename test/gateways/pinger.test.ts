import { describe, expect, test } from 'bun:test';
import type { Gateway } from '../../src/ports/carriers.ts';
import { gateway, INTERVAL_MS, startPinger } from './support.ts';

const many = (count: number) =>
  Array.from({ length: count }, (_, i) => gateway(i, { host: `10.0.${i >> 8}.${i & 255}` }));

describe('pings', () => {
  test('go to every gateway once an interval, spread evenly', async () => {
    let n = 0;
    const { pinger, timers, interval, sent } = startPinger({ random: () => ((n++ % 100) + 0.5) / 100 });
    const begin = timers.now();
    pinger.update(many(100));
    pinger.start();
    for (let i = 1; i <= 3; i++) {
      await interval();
      expect(sent).toHaveLength(i * 100);
    }
    const perTenSeconds = Map.groupBy(sent.slice(0, 100), ({ at }) => Math.floor((at - begin) / 10_000));
    for (const some of perTenSeconds.values()) expect(some.length).toBeWithin(16, 18);
  });

  test('are sent only while started', async () => {
    const { pinger, timers, interval, sent } = startPinger();
    pinger.update([gateway(1)]);
    await interval();
    expect(sent).toHaveLength(0);
    pinger.start();
    pinger.start();
    await interval();
    expect(sent).toHaveLength(1);
    pinger.stop();
    expect(timers.pending).toBe(0);
    await interval();
    expect(sent).toHaveLength(1);
  });

  test('are limited to 50 in flight, of which 25 to gateways that are down', async () => {
    const { pinger, interval, peers, held, flight, sent } = startPinger();
    const gateways = many(200);
    for (const { host } of gateways.slice(0, 150)) peers.set(host, 'silent');
    pinger.update(gateways);
    pinger.start();
    await interval();
    expect(flight.now).toBe(50);
    // Time out one by one until all silent gateways are down and pinged again.
    for (let i = 0; i < 150; i++) {
      held.shift()?.(408);
      await interval();
    }
    const before = sent.length;
    await interval();
    expect(flight.most).toBe(50);
    expect(flight.now).toBe(25);
    const toLiveOnes = sent.slice(before).filter(({ request }) => Number(request.uri.split('.').at(-1)) >= 150);
    expect(toLiveOnes).toHaveLength(50);
  });

  test('are due one interval after the last one was due, however long it took', async () => {
    const { pinger, timers, peers, held, sent } = startPinger();
    peers.set('192.0.2.1', 'silent');
    const begin = timers.now();
    pinger.update([gateway(1)]);
    pinger.start();
    await timers.advanceAsync(30_000 + 25_000);
    held.shift()?.(408);
    await timers.advanceAsync(INTERVAL_MS);
    expect(sent.map(({ at }) => at - begin)).toEqual([30_000, 90_000]);
  });

  test('of a gateway that is removed while it waits for its turn are not sent', async () => {
    const { pinger, interval, peers, held, sent, timers } = startPinger();
    const gateways = many(51);
    for (const { host } of gateways) peers.set(host, 'silent');
    pinger.update(gateways);
    pinger.start();
    await interval();
    expect(sent).toHaveLength(50);
    pinger.update(gateways.slice(0, 50));
    held.shift()?.(200);
    await timers.advanceAsync(0);
    expect(sent).toHaveLength(50);
  });

  test('of a gateway that is changed while it is pinged go on once an interval', async () => {
    const { pinger, interval, peers, held, sent, state } = startPinger();
    peers.set('192.0.2.1', 'silent');
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    peers.set('192.0.2.1', 200);
    pinger.update([gateway(1, { port: 5070 })]);
    held.shift()?.(503);
    await interval();
    expect(state(1)).toBe('up');
    expect(sent).toHaveLength(2);
    await interval();
    expect(sent).toHaveLength(3);
  });

  test('that have no target after the pinger was stopped leave the blacklist as it is', async () => {
    const { pinger, timers, interval, names, peers, listed, gate, reach } = startPinger();
    names.set('sip.test', ['192.0.2.1']);
    peers.set('192.0.2.1', 503);
    pinger.update([gateway(1, { host: 'sip.test' })]);
    pinger.start();
    await interval();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.names = promise;
    await interval();
    pinger.stop();
    reach.canReach = () => false;
    resolve();
    await timers.advanceAsync(0);
    expect(listed.size).toBe(1);
  });

  test('answered after the pinger was stopped are ignored', async () => {
    const { pinger, interval, peers, held, state, listed, timers } = startPinger();
    peers.set('192.0.2.1', 'silent');
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    pinger.stop();
    held.shift()?.(503);
    await timers.advanceAsync(0);
    expect(state(1)).toBe('unknown');
    expect(listed.size).toBe(0);
    expect(timers.pending).toBe(0);
  });
});

describe('a gateway that fails', () => {
  test('is blacklisted until it is up again, with one alert', async () => {
    const { pinger, timers, interval, peers, listed, writes, alerts, state } = startPinger();
    pinger.update([gateway(1, { accountSid: 'account', serviceProviderSid: 'sp', port: 5070, transport: 'tcp' })]);
    pinger.start();
    await interval();
    expect(state(1)).toBe('up');
    peers.set('192.0.2.1', 503);
    await interval();
    expect(state(1)).toBe('down');
    expect(listed).toEqual(new Map([['gw1', 300]]));
    expect(alerts).toEqual([
      {
        type: 'carrier-options-failure',
        message: 'OPTIONS ping of gateway 192.0.2.1:5070 (tcp) of carrier Carrier 1 failed: 503 Reason 503',
        accountSid: 'account',
        serviceProviderSid: 'sp',
        targetSid: 'gw1',
      },
    ]);
    const before = writes.filter((w) => w === 'add gw1').length;
    await timers.advanceAsync(600_000);
    expect(writes.filter((w) => w === 'add gw1').length - before).toBe(4);
    expect(alerts).toHaveLength(1);
    peers.set('192.0.2.1', 404);
    await interval();
    expect(state(1)).toBe('up');
    expect(listed.size).toBe(0);
    const quiet = writes.length;
    await timers.advanceAsync(600_000);
    expect(writes).toHaveLength(quiet);
    peers.set('192.0.2.1', 'local 408');
    await interval();
    expect(alerts[1]?.message).toEndWith('failed: no answer (408 Reason 408)');
  });

  test('is down only after the configured number of failures in a row', async () => {
    const { pinger, interval, peers, state, alerts } = startPinger({ failureThreshold: 3 });
    pinger.update([gateway(1)]);
    pinger.start();
    const statuses = [500, 500, 200, 500, 500, 500];
    const states = [];
    for (const status of statuses) {
      peers.set('192.0.2.1', status);
      await interval();
      states.push(state(1));
    }
    expect(states).toEqual(['unknown', 'unknown', 'up', 'up', 'up', 'down']);
    expect(alerts).toHaveLength(1);
  });

  test('is blacklisted, or taken off, once the store is available again', async () => {
    const { pinger, timers, interval, peers, listed, down } = startPinger();
    peers.set('192.0.2.1', 503);
    down.blacklist = true;
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    expect(listed.size).toBe(0);
    down.blacklist = false;
    await timers.advanceAsync(5000);
    expect(listed.size).toBe(1);
    down.blacklist = true;
    peers.set('192.0.2.1', 200);
    await interval();
    expect(listed.size).toBe(1);
    down.blacklist = false;
    await interval();
    expect(listed.size).toBe(0);
  });

  test('that fails again while it is taken off the blacklist has one renewal at a time', async () => {
    const { pinger, timers, interval, peers, writes, gate } = startPinger();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.blacklist = promise;
    pinger.update([gateway(1)]);
    pinger.start();
    for (const status of [503, 200, 503]) {
      peers.set('192.0.2.1', status);
      await interval();
    }
    resolve();
    await timers.advanceAsync(0);
    expect(writes).toEqual(['add gw1', 'remove gw1', 'add gw1']);
    await timers.advanceAsync(300_000);
    expect(writes.slice(3)).toEqual(['add gw1', 'add gw1']);
  });

  test('is blacklisted after half the TTL when that is shorter than the usual time to try again', async () => {
    const { pinger, timers, peers, listed, down } = startPinger({ ttlSeconds: 4 });
    peers.set('192.0.2.1', 503);
    down.blacklist = true;
    pinger.update([gateway(1)]);
    pinger.start();
    await timers.advanceAsync(30_000);
    down.blacklist = false;
    await timers.advanceAsync(2000);
    expect(listed.size).toBe(1);
  });

  test('that answers while it is being blacklisted is not blacklisted again afterwards', async () => {
    const { pinger, timers, interval, peers, listed, writes, gate, state } = startPinger();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.blacklist = promise;
    peers.set('192.0.2.1', 503);
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    peers.set('192.0.2.1', 200);
    await interval();
    expect([state(1), writes]).toEqual(['up', []]);
    resolve();
    await timers.advanceAsync(600_000);
    expect(writes).toEqual(['add gw1', 'remove gw1']);
    expect(listed.size).toBe(0);
  });

  test('whose row goes while it is being blacklisted is off the blacklist afterwards', async () => {
    const { pinger, timers, interval, peers, listed, writes, gate } = startPinger();
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.blacklist = promise;
    peers.set('192.0.2.1', 503);
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    pinger.update([]);
    resolve();
    await timers.advanceAsync(600_000);
    expect(writes).toEqual(['add gw1', 'remove gw1']);
    expect(listed.size).toBe(0);
  });

  test('is not assumed when our own SIP server is unavailable', async () => {
    const { pinger, interval, peers, state, alerts, writes } = startPinger();
    pinger.update([gateway(1), gateway(2)]);
    pinger.start();
    peers.set('192.0.2.2', 503);
    await interval();
    writes.length = 0;
    peers.set('192.0.2.1', 'offline').set('192.0.2.2', 'offline');
    for (let i = 0; i < 3; i++) await interval();
    expect([state(1), state(2)]).toEqual(['up', 'down']);
    expect(alerts).toHaveLength(1);
    expect(writes.every((write) => write === 'add gw2')).toBe(true);
    peers.set('192.0.2.1', 200).set('192.0.2.2', 200);
    await interval();
    expect(state(2)).toBe('up');
  });
});

describe('another sidecar that takes over', () => {
  test('takes a gateway off the blacklist when it is up', async () => {
    const { pinger, interval, listed } = startPinger();
    listed.set('gw1', 300);
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    expect(listed.size).toBe(0);
  });

  test('renews the blacklist entry of a gateway that is still down', async () => {
    const { pinger, timers, interval, listed, peers, writes, state } = startPinger();
    peers.set('192.0.2.1', 503);
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    pinger.stop();
    await timers.advanceAsync(600_000);
    expect(writes).toEqual(['add gw1']);
    expect(listed.has('gw1')).toBe(true);
    expect(state(1)).toBe('unknown');
    pinger.start();
    await interval();
    expect(writes).toEqual(['add gw1', 'add gw1']);
    expect(state(1)).toBe('down');
  });
});

describe('a response code that switches pings off', () => {
  test('stops them, with an alert that names the carrier and its sid', async () => {
    const { pinger, interval, peers, disabled, alerts, listed, sent, timers } = startPinger({
      removeCodes: [403, 503],
    });
    peers.set('192.0.2.1', 500);
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    expect(listed.size).toBe(1);
    peers.set('192.0.2.1', 503);
    await interval();
    expect(disabled).toEqual(['gw1']);
    expect(alerts.at(-1)?.message).toBe(
      'OPTIONS pings of gateway 192.0.2.1 (udp) of carrier Carrier 1 (carrier1) switched off: 503 Reason 503',
    );
    expect(listed.size).toBe(0);
    expect(pinger.snapshot()).toEqual([]);
    // The next list may have been read before.
    pinger.update([gateway(1)]);
    expect(pinger.snapshot()).toEqual([]);
    await interval();
    expect(sent).toHaveLength(2);
    expect(timers.pending).toBe(0);
    // A later list shows that they were switched on again.
    pinger.update([gateway(1)]);
    expect(pinger.snapshot()).toHaveLength(1);
  });

  test('is ignored when it comes after the pinger was stopped', async () => {
    const { pinger, timers, interval, peers, held, disabled } = startPinger({ removeCodes: [403] });
    peers.set('192.0.2.1', 'silent');
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    pinger.stop();
    held.shift()?.(403);
    await timers.advanceAsync(0);
    expect(disabled).toEqual([]);
  });

  test('has no effect on a gateway removed while the database is asked in vain', async () => {
    const { pinger, timers, interval, peers, alerts, writes, gate, down } = startPinger({ removeCodes: [503] });
    const { promise, resolve } = Promise.withResolvers<void>();
    gate.carriers = promise;
    down.carriers = true;
    peers.set('192.0.2.1', 503);
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    pinger.update([]);
    resolve();
    await timers.advanceAsync(INTERVAL_MS);
    expect(alerts).toEqual([]);
    expect(writes).toEqual(['remove gw1']);
  });

  test('counts only when the gateway itself sent it', async () => {
    const { pinger, interval, peers, disabled, state } = startPinger({ removeCodes: [408, 503] });
    peers.set('192.0.2.1', 'local 408').set('192.0.2.2', 'local 503');
    pinger.update([gateway(1), gateway(2)]);
    pinger.start();
    await interval();
    expect(disabled).toEqual([]);
    expect([state(1), state(2)]).toEqual(['down', 'down']);
  });

  test('is applied at the next ping when the database is unavailable', async () => {
    const { pinger, interval, peers, disabled, down, state, alerts } = startPinger({ removeCodes: [403] });
    peers.set('192.0.2.1', 403);
    down.carriers = true;
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    expect(state(1)).toBe('up');
    expect(alerts).toEqual([]);
    down.carriers = false;
    await interval();
    expect(disabled).toEqual(['gw1']);
    expect(alerts).toHaveLength(1);
  });
});

describe('an updated list of gateways', () => {
  test('adds new ones, keeps the state of known ones, and takes removed ones off the blacklist', async () => {
    const { pinger, timers, interval, peers, listed, state, sent } = startPinger();
    peers.set('192.0.2.1', 503).set('192.0.2.2', 503);
    pinger.update([gateway(1), gateway(2)]);
    pinger.start();
    await interval();
    expect([...listed.keys()].sort()).toEqual(['gw1', 'gw2']);
    pinger.update([gateway(2, { carrierName: 'New name' }), gateway(3)]);
    await timers.advanceAsync(0);
    expect([...listed.keys()]).toEqual(['gw2']);
    expect(pinger.snapshot()[0]).toMatchObject({ state: 'down', gateway: { carrierName: 'New name' } });
    sent.length = 0;
    await interval();
    expect(sent).toHaveLength(2);
    expect([state(1), state(2), state(3)]).toEqual([undefined, 'down', 'up']);
  });

  test('ends the timers of a removed gateway, and leaves the blacklist alone when it was up', async () => {
    const { pinger, timers, interval, writes } = startPinger();
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    expect(writes).toEqual(['remove gw1']);
    pinger.update([]);
    await timers.advanceAsync(0);
    expect(timers.pending).toBe(0);
    expect(writes).toEqual(['remove gw1']);
  });

  test.each([
    { host: '192.0.2.77' },
    { port: 5070 },
    { transport: 'tls' },
    { transport: 'tls', sips: true },
    { outboundProxy: '192.0.2.99' },
  ] satisfies Partial<Gateway>[])('resets a gateway with another target: %p', async (change) => {
    const { pinger, interval, state } = startPinger();
    const before = gateway(1, 'sips' in change ? { transport: 'tls' } : {});
    pinger.update([before]);
    pinger.start();
    await interval();
    pinger.update([{ ...before }]);
    expect(state(1)).toBe('up');
    pinger.update([{ ...before, ...change }]);
    expect(state(1)).toBe('unknown');
  });

  test('resets a gateway whose address changed', async () => {
    const { pinger, timers, interval, peers, listed, state } = startPinger();
    peers.set('192.0.2.1', 503);
    pinger.update([gateway(1)]);
    pinger.start();
    await interval();
    pinger.update([gateway(1, { host: '192.0.2.77' })]);
    await timers.advanceAsync(0);
    expect(listed.size).toBe(0);
    expect(state(1)).toBe('unknown');
    await interval();
    expect(state(1)).toBe('up');
  });

  test('changes nothing in the store while not started', async () => {
    const { pinger, timers, writes } = startPinger();
    pinger.update([gateway(1)]);
    pinger.update([]);
    await timers.advanceAsync(INTERVAL_MS);
    expect(writes).toEqual([]);
    expect(pinger.snapshot()).toEqual([]);
  });
});

test('the snapshot shows state and last response of each gateway', async () => {
  const { pinger, timers, interval, peers } = startPinger();
  const begin = timers.now();
  pinger.update([gateway(1)]);
  expect(pinger.snapshot()).toEqual([{ gateway: gateway(1), state: 'unknown' }]);
  pinger.start();
  await interval();
  const up = { gateway: gateway(1), state: 'up' as const, since: begin + 30_000, rttMs: 0 };
  expect(pinger.snapshot()).toEqual([{ ...up, lastAnswer: '200 Reason 200', lastAnswerAt: begin + 30_000 }]);
  peers.set('192.0.2.1', 404);
  await interval();
  expect(pinger.snapshot()).toEqual([{ ...up, lastAnswer: '404 Reason 404', lastAnswerAt: begin + 90_000 }]);
  peers.set('192.0.2.1', 'local 503');
  await interval();
  const lastAnswer = 'not reached (503 Reason 503)';
  expect(pinger.snapshot()).toEqual([
    { ...up, state: 'down', since: begin + 150_000, lastAnswer, lastAnswerAt: begin + 150_000 },
  ]);
});
