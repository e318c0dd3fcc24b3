import { isIP } from 'node:net';
import pLimit from 'p-limit';
import { withDeadline } from '../../lib/deadline.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Timers } from '../../lib/timers.ts';
import { NameError, type NextHops } from '../../ports/next-hops.ts';
import type { NextHop, OutboundTransport } from '../../sip/next-hop.ts';
import { firstStep, isServiceDenied, orderServices, type Service } from '../../sip/next-hop.ts';
import { AnswerCache } from './cache.ts';
import { askAddresses, askServices, type DnsOptions, lateAnswer } from './questions.ts';

/** How long a caller waits at most; each question has a shorter deadline of its own. */
const DEADLINE_MS = 5000;
/** More targets are not tried for one request: a silent one takes 32 s. */
const MAX_HOPS = 16;
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

  constructor(
    private readonly timers: Timers,
    logger: Logger,
    { random = Math.random, ...options }: NextHopsOptions = {},
  ) {
    const turns = pLimit(MAX_QUESTIONS);
    this.#addresses = new AnswerCache((name) => turns(() => askAddresses(name, timers, options)), timers, logger);
    this.#services = new AnswerCache((name) => turns(() => askServices(name, timers, options)), timers, logger);
    this.#random = random;
  }

  /** At most 16 targets, within 5 s. SRV targets of equal priority are drawn by weight each time. */
  async resolve(host: string, port: number | undefined, transport: OutboundTransport): Promise<readonly NextHop[]> {
    const name = host.toLowerCase().replace(/\.$/, '');
    if (name === '') throw new NameError('an empty name has no address');
    const step = firstStep(name, port, transport);
    if (step.kind === 'hop') return [step.hop];
    return withDeadline(this.#hops(name, step, transport), DEADLINE_MS, () => lateAnswer(name), this.timers);
  }

  async #hops(
    name: string,
    step: { port: number; service?: string },
    transport: OutboundTransport,
  ): Promise<readonly NextHop[]> {
    const services = step.service === undefined ? [] : await this.#services.get(step.service);
    if (isServiceDenied(services)) throw new NameError(`${name} has no SIP service over ${transport}`);
    const targets = services.length > 0 ? orderServices(services, this.#random) : [{ target: name, port: step.port }];
    const found = await Promise.allSettled(
      targets.slice(0, MAX_HOPS).map(async ({ target, port }) => {
        const addresses = await this.#addressesOf(target);
        return addresses.map((address) => ({ address, port, transport }));
      }),
    );
    const hops = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    if (hops.length > 0) return withoutRepeats(hops).slice(0, MAX_HOPS);
    // That there is no address is known only when every target was looked up.
    const failure = found.find((one) => one.status === 'rejected');
    throw failure ? failure.reason : new NameError(`${name} has no address`);
  }

  async #addressesOf(target: string): Promise<readonly string[]> {
    const name = target.toLowerCase().replace(/\.$/, '');
    if (name === '') return [];
    // RFC 2782 wants a name here; some zones have an address.
    return isIP(name) === 0 ? this.#addresses.get(name) : [name];
  }
}

/** Two names are often one machine. */
function withoutRepeats(hops: readonly NextHop[]): NextHop[] {
  return [...new Map(hops.map((hop) => [`${hop.address} ${hop.port}`, hop])).values()];
}
