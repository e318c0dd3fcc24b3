import { machine } from '../lib/proc.ts';
import { comparison, digits } from '../register/comparison.ts';
import type { SideReport } from '../register/sides.ts';
import type { ListReport } from './list.ts';
import type { Measured } from './measure.ts';
import type { ReconciliationReport } from './reconciliation.ts';
import type { Settings } from './settings.ts';

const FIGURES = [
  'units/s',
  'sidecar CPU ms/unit',
  'Redis CPU ms/unit',
  'MariaDB CPU ms/unit',
  'latency p50 ms',
  'latency p99 ms',
  'sidecar RSS max MB',
];

export function table(settings: Settings, measured: Measured): string {
  const { many, realms, few, phones, rate, seconds, warmup, runs } = settings;
  const { bytesPerBinding, redisMb, growth = [], lookups = [], reconciliation, list } = measured;
  const of = (work: string, reports: readonly SideReport[]) => reports.filter((report) => report.work === work);
  return [
    machine(),
    `${many} bindings in ${realms} realms beside ${few}; ${phones} phones at ${rate}/s, ` +
      `${runs} runs of ${seconds} s after ${warmup} s`,
    '',
    `Redis: ${bytesPerBinding.toFixed(0)} bytes a binding, ${redisMb.toFixed(0)} MB resident`,
    ...comparison('full registration, clients in the cache', of('full', growth), FIGURES),
    ...comparison('refresh', of('refresh', growth), FIGURES),
    ...comparison('full registration, its client read from MySQL', lookups, FIGURES),
    ...(reconciliation ? reconciliationLines(reconciliation) : []),
    ...(list ? listLines(list) : []),
    ...faultsOf(settings, measured).map((fault) => `\nthis does not count: ${fault}`),
  ].join('\n');
}

export function faultsOf({ many }: Settings, { growth, lookups, list }: Measured): string[] {
  const faults = [...(growth ?? []), ...(lookups ?? [])].flatMap(({ side, work, runs }) =>
    runs.flatMap(({ flaw }) => (flaw === null ? [] : [`${work}, ${side}: ${flaw}`])),
  );
  if (list && list.bindings !== many) faults.push(`reg list shows ${list.bindings} bindings`);
  return faults;
}

function reconciliationLines(report: ReconciliationReport): string[] {
  const { seconds, sidecarCpuMs, redisCpuMs, readyMb, peakMb, isWhole, meanwhile, afterwards } = report;
  const latency = ({ summary }: ReconciliationReport['meanwhile']) =>
    `p50 ${digits(summary['latency p50 ms']?.median)} ms, p99 ${digits(summary['latency p99 ms']?.median)} ms`;
  return [
    '',
    'reconciliation at start',
    `${digits(seconds)} s; CPU ${digits(sidecarCpuMs / 1000)} s of the sidecar, ${digits(redisCpuMs / 1000)} s of Redis; ` +
      `memory ${digits(readyMb)} MB when ready, ${digits(peakMb)} MB at most`,
    `registrations ${isWhole ? 'meanwhile' : 'meanwhile, for a part of the time'}: ${latency(meanwhile)}; afterwards: ${latency(afterwards)}`,
  ];
}

function listLines(report: ListReport): string[] {
  const { bindings, firstLineMs, seconds, sidecarCpuMs, redisCpuMs, sidecarBeforeMb, sidecarMb, clientMb } = report;
  return [
    '',
    'reg list',
    `${bindings} bindings in ${digits(seconds)} s, the first after ${digits(firstLineMs)} ms; ` +
      `CPU ${digits(sidecarCpuMs / 1000)} s of the sidecar, ${digits(redisCpuMs / 1000)} s of Redis; ` +
      `memory of the sidecar ${digits(sidecarBeforeMb)} MB before, ${digits(sidecarMb)} MB at most, of reg list ${digits(clientMb)} MB`,
  ];
}
