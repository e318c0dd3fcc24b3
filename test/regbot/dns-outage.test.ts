import { describe, expect, test } from 'bun:test';
import { DnsNextHops } from '../../src/adapters/dns/next-hops.ts';
import { DnsServer } from '../support/dns-server.ts';
import { eventually } from '../support/eventually.ts';
import { makeFleet, TRUNK } from './support.ts';

const NEWCOMER = { ...TRUNK, gatewaySid: 'gw-2', carrierSid: 'carrier-2', host: 'gw.newcomer.example' };
const KNOWN = { 'gw.carrier.example': { A: ['192.0.2.1'], ttl: 60 } };
const ALL = { ...KNOWN, 'gw.newcomer.example': { A: ['192.0.2.2'], ttl: 60 } };

/** A fleet that has registered one trunk, by the records of a real name server. */
async function start() {
  const dns = await DnsServer.start(KNOWN);
  const fleet = makeFleet();
  const { timers, sip, logger, lead, state } = fleet;
  state.nextHops = new DnsNextHops(timers, logger, {
    servers: [dns.address],
    hosts: () => Promise.reject(Object.assign(new Error('unknown'), { code: 'ENOTFOUND' })),
  });
  /** Real datagrams, and the deadlines of questions on the manual clock. */
  const until = (what: string, holds: () => boolean) =>
    eventually(what, async () => {
      await timers.advanceAsync(1_000);
      return holds() || undefined;
    });
  const trunk = (gatewaySid: string) => fleet.fleet.snapshot().find((one) => one.gateway === gatewaySid);
  const sentTo = (address: string) => sip.sent.filter(({ nextHop }) => nextHop?.address === address).length;
  await lead();
  await until('registered', () => sentTo('192.0.2.1') > 0);
  return { ...fleet, dns, until, trunk, sentTo };
}

describe('an outage of the DNS', () => {
  test.each([
    ['does not answer', 'silent'],
    ['answers with errors', 'SERVFAIL'],
  ] as const)('the name server %s: known names are registered on, a new one is when it is back', async (_, mood) => {
    const { dns, timers, logger, change, until, trunk, sentTo } = await start();
    dns.mood = mood;
    dns.zone = ALL;
    const before = sentTo('192.0.2.1');
    await change(TRUNK, NEWCOMER);
    await timers.advanceAsync(3_000_000);
    await until('the refresh', () => sentTo('192.0.2.1') > before);
    await until('the failure', () => trunk('gw-2')?.lastReason !== undefined);
    expect(trunk('gw-2')?.lastReason).toMatch(/^DNS: .*gw\.newcomer\.example/);
    expect(sentTo('192.0.2.2')).toBe(0);
    expect(trunk('gw-1')?.state).toBe('registered');
    dns.mood = 'answers';
    await until('the registration of the new name', () => sentTo('192.0.2.2') > 0);
    const lines = logger.lines.filter(({ level, message }) => level !== 'debug' && message.startsWith('DNS '));
    expect(lines.map(({ message }) => message)).toEqual([
      'DNS does not answer, what it said last serves on',
      'DNS answers again',
    ]);
  });
});
