import type { Audit } from './audit.ts';
import type { Change } from './failovers.ts';
import type { Interval } from './history.ts';
import type { Settings } from './index.ts';
import type { Injected } from './inject.ts';
import type { Counts } from './load.ts';

export interface Outcome {
  readonly counts: Counts;
  readonly audit: Audit;
  readonly failovers: number;
  /** Of Redis servers, with the time from the start, ms. */
  readonly changes: readonly Change[];
  /** When a Redis server acknowledged writes that its successor did not get, from the start, ms. */
  readonly lossy: readonly Interval[];
  readonly injected: readonly Injected[];
  /** Of each sidecar: warnings and worse by their message. */
  readonly complaints: readonly ReadonlyMap<string, number>[];
}

export function textOf(settings: Settings, outcome: Outcome): string {
  const { rate, seconds, seed, users, drachtio } = settings;
  const { injected, complaints, lossy } = outcome;
  const front = drachtio === undefined ? 'the double of drachtio' : drachtio;
  return [
    `seed ${seed}: ${seconds} s, ${rate} REGISTER/s, ${users} phones, behind ${front}`,
    '',
    ...injected.map(lineOf),
    '',
    ...lossy.map(
      ({ from, until }) => `${hundredths(from)} s to ${hundredths(until)} s: Redis may lose what it acknowledged then`,
    ),
    '',
    ...complaints.flatMap((messages, i) => [
      `logged by sidecar ${i + 1}:`,
      ...[...messages].map(([message, count]) => `${String(count).padStart(8)} × ${message}`),
    ]),
    '',
    ...Object.entries(figures(outcome)).map(([name, value]) => `${name.padEnd(26)} ${value}`),
  ].join('\n');
}

export function toJson(settings: Settings, outcome: Outcome) {
  const { injected, complaints, lossy } = outcome;
  return {
    settings,
    figures: figures(outcome),
    schedule: injected,
    changes: outcome.changes,
    lossy,
    perSecond: outcome.counts.perSecond,
    complaints: complaints.map((messages) => Object.fromEntries(messages)),
  };
}

function figures({ counts, audit, failovers }: Outcome) {
  const { longestGap } = counts;
  const others = [...counts.others].map(([status, count]) => `${count} × ${status}`);
  return {
    requests: counts.requests,
    'answered 200': counts.granted,
    'answered 503': counts.unavailable,
    'answered otherwise': others.length === 0 ? 0 : others.join(', '),
    unanswered: counts.unanswered,
    retransmissions: counts.retransmissions,
    'not begun, no phone free': counts.skipped,
    'AORs compared': audit.compared,
    lost: audit.lost,
    failovers,
    'lost by Redis in failovers': audit.lostByRedis,
    'longest gap': `${(longestGap.ms / 1000).toFixed(1)} s, from ${(longestGap.at / 1000).toFixed(1)} s`,
  };
}

function lineOf({ at, role, number, server, kind, seconds, endedAt, skipped }: Injected): string {
  const alone = role === 'MariaDB' || role === 'drachtio' || role === 'Redis primary';
  const name = `${role}${alone ? '' : ` ${number}`}${server > 0 ? ` (server ${server})` : ''}`;
  const what =
    kind === 'pause' ? `paused for ${seconds} s` : `${kind === 'kill' ? 'killed' : 'stopped'}, down for ${seconds} s`;
  const end = skipped ? 'left out: Redis had not recovered' : `runs again at ${endedAt.toFixed(1)} s`;
  return `${at.toFixed(1).padStart(6)} s  ${name.padEnd(26)} ${what.padEnd(24)} ${end}`;
}

/** Milliseconds as seconds. */
function hundredths(ms: number): string {
  return (ms / 1000).toFixed(2);
}
