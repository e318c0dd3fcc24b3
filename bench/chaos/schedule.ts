import { Random } from '../lib/random.ts';

export const SIDECARS = 3;
export const REPLICAS = 2;
const SENTINELS = 3;

const KINDS = ['kill', 'pause', 'restart'] as const;
type Kind = (typeof KINDS)[number];

type Role = 'sidecar' | 'Redis primary' | 'Redis replica' | 'sentinel' | 'MariaDB' | 'drachtio';

/** What happens to one process. */
export interface Fault {
  /** When, seconds from the start. */
  readonly at: number;
  readonly role: Role;
  /** Which of several, from 1. */
  readonly number: number;
  /** SIGKILL, SIGSTOP or SIGTERM. */
  readonly kind: Kind;
  /** How long it is paused, or down once it has ended, seconds. */
  readonly seconds: number;
}

interface Rule {
  readonly role: Role;
  readonly count: number;
  /** Of how many at a time. */
  readonly atOnce: number;
  /** Time that it needs afterwards before it may be disturbed again, seconds. */
  readonly recovery: number;
  readonly down: readonly [number, number];
  readonly paused: readonly [number, number];
  /** Roles that must have recovered. */
  readonly without: readonly Role[];
}

/** A failover needs replicas and the votes of the sentinels: one that they delay takes 10 s longer. */
const FAILOVER: readonly Role[] = ['Redis primary', 'Redis replica', 'sentinel'];

/**
 * A primary that is back within the time in which the sentinels notice would return empty, and its replicas would empty
 * themselves: it stays away until another one is promoted. Two failovers have 2 x failover-timeout = 10 s between them.
 */
const RULES: readonly Rule[] = [
  { role: 'sidecar', count: SIDECARS, atOnce: 2, recovery: 2, down: [0.2, 4], paused: [0.5, 10], without: [] },
  { role: 'Redis primary', count: 1, atOnce: 1, recovery: 14, down: [3, 6], paused: [0.3, 8], without: FAILOVER },
  {
    role: 'Redis replica',
    count: REPLICAS,
    atOnce: 1,
    recovery: 4,
    down: [0.2, 4],
    paused: [0.5, 6],
    without: ['Redis primary'],
  },
  {
    role: 'sentinel',
    count: SENTINELS,
    atOnce: 1,
    recovery: 2,
    down: [0.2, 8],
    paused: [0.5, 8],
    without: ['Redis primary'],
  },
  { role: 'MariaDB', count: 1, atOnce: 1, recovery: 4, down: [0.2, 5], paused: [0.5, 8], without: [] },
  { role: 'drachtio', count: 1, atOnce: 1, recovery: 3, down: [0.2, 3], paused: [0.3, 5], without: [] },
];

const FIRST_AT = 4;
const INTERVAL: readonly [number, number] = [1, 4];
/** No fault lasts into these last seconds. */
export const CALM_SECONDS = 12;

/**
 * The faults of a run, by their time. Each kind of fault at each process comes once, in random order, before any comes
 * again, unless its process or too many of its role are disturbed already.
 */
export function scheduleOf(seed: number, seconds: number): Fault[] {
  const random = new Random(seed);
  const faults: Fault[] = [];
  let deck: Fault[] = [];
  for (let at = FIRST_AT; at < seconds - CALM_SECONDS; at += random.between(...INTERVAL)) {
    if (deck.length === 0) deck = random.shuffled(allFaults(random));
    const next = deck.findIndex((fault) => fits({ ...fault, at }, faults, seconds));
    const [fault] = next < 0 ? [] : deck.splice(next, 1);
    if (fault) faults.push({ ...fault, at: tenths(at) });
  }
  return faults;
}

function allFaults(random: Random): Fault[] {
  return RULES.flatMap(({ role, count, down, paused }) =>
    Array.from({ length: count }, (_, i) => i + 1).flatMap((number) =>
      KINDS.map((kind) => {
        const range = kind === 'pause' ? paused : down;
        return { at: 0, role, number, kind, seconds: tenths(random.between(...range)) };
      }),
    ),
  );
}

function fits(fault: Fault, faults: readonly Fault[], seconds: number): boolean {
  if (fault.at + fault.seconds > seconds - CALM_SECONDS) return false;
  const open = faults.filter((other) => fault.at < other.at + other.seconds + ruleOf(other).recovery);
  const ofRole = open.filter(({ role }) => role === fault.role);
  return (
    ofRole.length < ruleOf(fault).atOnce &&
    !ofRole.some(({ number }) => number === fault.number) &&
    !open.some(({ role }) => ruleOf(fault).without.includes(role))
  );
}

function ruleOf({ role }: Fault): Rule {
  const rule = RULES.find((one) => one.role === role);
  if (!rule) throw new Error(`no rule for ${role}`);
  return rule;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
