import { isIP } from 'node:net';
import pLimit from 'p-limit';
import { withDeadline } from '../../lib/deadline.ts';
import type { Logger } from '../../lib/logger.ts';
import { OncePer } from '../../lib/once-per.ts';
import type { Timers } from '../../lib/timers.ts';
import { Unavailable } from '../../ports/errors.ts';
import { NameError, type NextHops } from '../../ports/next-hops.ts';
import type { NextHop, OutboundTransport } from '../../sip/next-hop.ts';
import { firstStep, isServiceDenied, orderServices, type Service } from '../../sip/next-hop.ts';
import { AnswerCache } from './cache.ts';
import { OutageLog } from './outage-log.ts';
import { askAddresses, askServices, type DnsOptions, hasNaptr, lateAnswer } from './questions.ts';
import { type Questions, whatIsMissing } from './what-is-missing.ts';

/** How long a caller waits at most; each question has a shorter deadline of its own. */
const DEADLINE_MS = 5000;
/** Of that for SRV records, with the wait for a turn, so that time for the addresses remains. */
const SERVICES_DEADLINE_MS = 2100;
/** Bounds the targets of one name; large carriers have some twenty. */
const MAX_HOPS = 64;
/** Minimum interval between warnings about one name, ms. */
const WARNING_INTERVAL_MS = 3_600_000;
/** Questions at a time: each has a socket of its own, and datagrams beyond some 250 at once overflow a usual buffer. */
const MAX_QUESTIONS = 100;

export interface NextHopsOptions extends DnsOptions {
  /** From 0 to below 1, for the choice by weight (RFC 2782). */
  readonly random?: () => number;
}

/** RFC 3263 by the DNS, with a cache that follows its TTLs. */
export class DnsNextHops implements NextHops {
  readonly #addresses: AnswerCache<string>;
  readonly #services: AnswerCache<Service>;
  readonly #random: () => number;
  readonly #warnings: OncePer;
  readonly #questions: Questions;

  constructor(
    private readonly timers: Timers,
    private readonly logger: Logger,
    { random = Math.random, ...options }: NextHopsOptions = {},
  ) {
    const turns = pLimit(MAX_QUESTIONS);
    const outage = new OutageLog(logger, timers);
    this.#addresses = new AnswerCache((name) => turns(() => askAddresses(name, timers, options)), timers, outage);
    this.#services = new AnswerCache((name) => turns(() => askServices(name, timers, options)), timers, outage);
    this.#questions = {
      hasServices: async (service) => (await this.#services.get(service)).length > 0,
      hasNaptr: (name) => turns(() => hasNaptr(name, timers, options)),
    };
    this.#random = random;
    this.#warnings = new OncePer(WARNING_INTERVAL_MS, timers);
  }

  /**
   * At most 64 targets, within 5 s; a NameError takes up to a second more, to say what is missing. SRV targets of equal
   * priority are drawn by weight each time.
   */
  async resolve(host: string, port: number | undefined, transport: OutboundTransport): Promise<readonly NextHop[]> {
    const name = host.toLowerCase().replace(/\.$/, '');
    if (name === '') throw new NameError('an empty name has no address');
    const step = firstStep(name, port, transport);
    if (step.kind === 'hop') return [step.hop];
    const hops = await withDeadline(
      this.#hops(name, step, transport),
      DEADLINE_MS,
      () => lateAnswer(name),
      this.timers,
    );
    if (hops.length > 0) return hops;
    throw new NameError(await whatIsMissing(name, port, transport, this.#questions, this.timers));
  }

  /** @returns none when the DNS knows of none. @throws Unavailable */
  async #hops(
    name: string,
    step: { port: number; service?: string },
    transport: OutboundTransport,
  ): Promise<readonly NextHop[]> {
    const { services, failure } = await this.#servicesOf(step.service);
    if (isServiceDenied(services)) throw new NameError(`${name} has no SIP service over ${transport}`);
    const targets = services.length > 0 ? orderServices(services, this.#random) : [{ target: name, port: step.port }];
    const found = await Promise.allSettled(
      this.#bounded(name, targets).map(async ({ target, port }) => {
        const addresses = await this.#addressesOf(target);
        return addresses.map((address) => ({ address, port, transport }));
      }),
    );
    const hops = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (hops.length > 0 && failure && this.#warnings.isDue(`${name} ${transport}`))
      this.logger.warn({ name, why: failure.message }, 'SRV records not known, the addresses of the name are used');
    if (hops.length > 0) return this.#bounded(name, withoutRepeats(hops));
    // That there is no address is known only when every target was looked up.
    const failed = found.find((one) => one.status === 'rejected');
    if (failed) throw failed.reason;
    if (failure) throw failure;
    return [];
  }

  /** RFC 2782: after a failed question, as after one without an answer, the addresses of the name are asked for. */
  async #servicesOf(service: string | undefined): Promise<{ services: readonly Service[]; failure?: Unavailable }> {
    if (service === undefined) return { services: [] };
    try {
      const late = () => lateAnswer(service);
      const answer = this.#services.get(service);
      return { services: await withDeadline(answer, SERVICES_DEADLINE_MS, late, this.timers) };
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      return { services: [], failure: error };
    }
  }

  async #addressesOf(target: string): Promise<readonly string[]> {
    const name = target.toLowerCase().replace(/\.$/, '');
    if (name === '') return [];
    // RFC 2782 wants a name here; some zones have an address.
    return isIP(name) === 0 ? this.#addresses.get(name) : [name];
  }

  #bounded<T>(name: string, targets: readonly T[]): readonly T[] {
    if (targets.length > MAX_HOPS && this.#warnings.isDue(name))
      this.logger.warn({ name, targets: targets.length, used: MAX_HOPS }, 'more targets than are used');
    return targets.slice(0, MAX_HOPS);
  }
}

/** Two names are often one machine. */
function withoutRepeats(hops: readonly NextHop[]): NextHop[] {
  return [...new Map(hops.map((hop) => [`${hop.address} ${hop.port}`, hop])).values()];
}
