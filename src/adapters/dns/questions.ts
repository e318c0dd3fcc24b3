import { lookup, Resolver } from 'node:dns/promises';
import type { Timer, Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { interleave, type Service } from '../../sip/next-hop.ts';

/** What the DNS said, and for how long it may be believed. No records: there are none of that kind. */
export interface Answer<T> {
  readonly records: readonly T[];
  readonly ttlMs: number;
}

export interface DnsOptions {
  /** Name servers as `address:port`; those of /etc/resolv.conf unless given. */
  readonly servers?: readonly string[];
  /** The addresses that this machine knows for a name; getaddrinfo unless given. Throws when it knows none. */
  readonly hosts?: (name: string) => Promise<readonly string[]>;
}

/** For one question, so that SRV records and the addresses of their targets are had within five seconds. */
const QUESTION_MS = 2400;
/** An unanswered datagram is sent again after this; c-ares doubles it for the third time, which is too late for us. */
const RESEND_MS = 1000;
const TRIES = 2;
/** When one family of addresses is here, the other is not waited for any longer: some servers never answer for AAAA. */
const OTHER_FAMILY_MS = 300;
/** `resolveSrv` does not tell the TTL. A carrier that moves its service lowers it to about this beforehand. */
const SERVICES_TTL_MS = 60_000;
/** Nor has /etc/hosts one; this is about how often a person who has edited it would look again. */
const HOSTS_TTL_MS = 30_000;

/**
 * Asks for the addresses of a name: A and AAAA, taking turns, A first. What is not in the DNS may be in /etc/hosts or in
 * a search domain: getaddrinfo knows, and it alone is asked for names of one label. It is not asked when the DNS does not
 * answer: it would only wait for the DNS too, on one of the few threads that there are.
 * @throws Unavailable
 */
export async function askAddresses(name: string, timers: Timers, options: DnsOptions): Promise<Answer<string>> {
  if (!name.includes('.')) return askHosts(name, options);
  const answer = await ask(timers, options, async (resolver) => {
    let timer: Timer | undefined;
    const hurry = (records: Answer<string>) => {
      if (records.records.length > 0) timer ??= timers.after(OTHER_FAMILY_MS, () => resolver.cancel());
      return records;
    };
    const [v4, v6] = await Promise.allSettled([
      recordsOf(name, resolver.resolve4(name, { ttl: true })).then(hurry),
      recordsOf(name, resolver.resolve6(name, { ttl: true })).then(hurry),
    ]);
    timer?.cancel();
    return bothFamilies(v4, v6);
  });
  return answer.records.length > 0 ? answer : askHosts(name, options);
}

/** Asks for SRV records. @throws Unavailable */
export async function askServices(name: string, timers: Timers, options: DnsOptions): Promise<Answer<Service>> {
  const records = await ask(timers, options, (resolver) => noneIfUnknown(name, resolver.resolveSrv(name)));
  const services = records.map(({ name: target, ...rest }) => ({ ...rest, target }));
  return { records: services, ttlMs: SERVICES_TTL_MS };
}

/**
 * A resolver for one question: it reads /etc/resolv.conf as it is now, can be cancelled without harm to others, and has no
 * cache of its own, which would not go by our clock. It costs 0.1 ms.
 */
async function ask<T>(timers: Timers, options: DnsOptions, question: (resolver: Resolver) => Promise<T>): Promise<T> {
  const resolver = new Resolver({ timeout: RESEND_MS, tries: TRIES });
  if (options.servers) resolver.setServers(options.servers);
  const timer = timers.after(QUESTION_MS, () => resolver.cancel());
  try {
    return await question(resolver);
  } finally {
    timer.cancel();
  }
}

async function recordsOf(name: string, question: Promise<{ address: string; ttl: number }[]>): Promise<Answer<string>> {
  const records = await noneIfUnknown(name, question);
  return { records: records.map((r) => r.address), ttlMs: 1000 * Math.min(...records.map((r) => r.ttl)) };
}

/** A "no" or a failure for one family does not matter when there are addresses of the other. */
function bothFamilies(...families: readonly PromiseSettledResult<Answer<string>>[]): Answer<string> {
  const answers = families.flatMap((family) => (family.status === 'fulfilled' ? [family.value] : []));
  const failure = families.find((family) => family.status === 'rejected');
  const [first, second] = answers;
  const records = interleave(first?.records ?? [], second?.records ?? []);
  if (records.length === 0 && failure) throw failure.reason;
  return { records, ttlMs: Math.min(...answers.map(({ ttlMs }) => ttlMs)) };
}

async function askHosts(name: string, { hosts = getAddressInfo }: DnsOptions): Promise<Answer<string>> {
  return { records: await noneIfUnknown(name, hosts(name)), ttlMs: HOSTS_TTL_MS };
}

async function getAddressInfo(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  const of = (family: number) => found.filter((one) => one.family === family).map((one) => one.address);
  return interleave(of(4), of(6));
}

/** Bun says ENOTFOUND for a name that does not exist and for one that has no such records; Node has ENODATA for those. */
const UNKNOWN = new Set<unknown>(['ENOTFOUND', 'ENODATA']);

async function noneIfUnknown<T>(name: string, question: Promise<readonly T[]>): Promise<readonly T[]> {
  try {
    return await question;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : String(error);
    if (UNKNOWN.has(code)) return [];
    throw code === 'ECANCELLED' ? lateAnswer(name) : new Unavailable('DNS', `${name}: ${code}`);
  }
}

/** The error of a question that was not answered in time. */
export function lateAnswer(name: string): Unavailable {
  return new Unavailable('DNS', `${name}: no answer in time`);
}
