import { lookup, Resolver } from 'node:dns/promises';
import type { Timer, Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { interleave, type Service } from '../../sip/next-hop.ts';

/** The records of a name, none if it has none of that kind, and how long they are valid. */
export interface Answer<T> {
  readonly records: readonly T[];
  readonly ttlMs: number;
}

export interface DnsOptions {
  /** Name servers as `address:port`; by default those of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** The machine's own addresses for a name, by default getaddrinfo. Throws when there are none. */
  readonly hosts?: (name: string) => Promise<readonly string[]>;
}

/** For one question, milliseconds. */
const QUESTION_MS = 2000;
/** Until an unanswered datagram is sent again. c-ares doubles it before a third try, which would be too late. */
const RESEND_MS = 1000;
const TRIES = 2;
/** How long to wait for the other family after addresses of one: some servers never answer for AAAA. */
const OTHER_FAMILY_MS = 300;
/** How long the addresses of one family are used alone after a failed question about the other. */
const HALF_ANSWER_TTL_MS = 30_000;
/** `resolveSrv` does not return the TTL. A carrier lowers it to about this before it moves its service. */
const SERVICES_TTL_MS = 60_000;
/** /etc/hosts has no TTL; a person who has edited it would look again after about this long. */
const HOSTS_TTL_MS = 30_000;

/**
 * Asks for the addresses of a name: A and AAAA, interleaved, A first. A name that is not in the DNS may be in /etc/hosts
 * or a search domain, so getaddrinfo is asked then, and alone for names of one label. It is not asked when the DNS does
 * not answer: it would wait for the DNS too, on one of few threads.
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

/** Whether a name has NAPTR records. @throws Unavailable */
export async function hasNaptr(name: string, timers: Timers, options: DnsOptions): Promise<boolean> {
  const records = await ask(timers, options, (resolver) => noneIfUnknown(name, resolver.resolveNaptr(name)));
  return records.length > 0;
}

/**
 * Asks with a resolver of its own: it reads the current /etc/resolv.conf, can be cancelled alone, and has no cache, which
 * would not follow our clock. It costs 0.1 ms.
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

/** The failure of one family does not matter when there are addresses of the other, but it is asked for again soon. */
function bothFamilies(...families: readonly PromiseSettledResult<Answer<string>>[]): Answer<string> {
  const answers = families.flatMap((family) => (family.status === 'fulfilled' ? [family.value] : []));
  const failure = families.find((family) => family.status === 'rejected');
  const [first, second] = answers;
  const records = interleave(first?.records ?? [], second?.records ?? []);
  if (records.length === 0 && failure) throw failure.reason;
  return { records, ttlMs: Math.min(...answers.map(({ ttlMs }) => ttlMs), failure ? HALF_ANSWER_TTL_MS : Infinity) };
}

async function askHosts(name: string, { hosts = getAddressInfo }: DnsOptions): Promise<Answer<string>> {
  return { records: await noneIfUnknown(name, hosts(name)), ttlMs: HOSTS_TTL_MS };
}

async function getAddressInfo(name: string): Promise<readonly string[]> {
  const found = await lookup(name, { all: true });
  const of = (family: number) => found.filter((one) => one.family === family).map((one) => one.address);
  return interleave(of(4), of(6));
}

/** For a name without records of the kind asked Bun says ENOTFOUND and Node ENODATA. */
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

export function lateAnswer(name: string): Unavailable {
  return new Unavailable('DNS', `${name}: no answer in time`);
}
