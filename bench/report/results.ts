import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Spread } from '../lib/spread.ts';
import { flaw, type Run, summarize } from '../register/report.ts';
import type { Work } from '../register/user-agent.ts';

/** What one part of the benchmark found: a file of bench/results. */
export interface Result {
  readonly part: string;
  readonly title: string;
  /** Of the measurement, UTC. */
  readonly date: string;
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly settings: Readonly<Record<string, number>>;
  readonly rows: readonly Row[];
}

export interface Row {
  readonly side: string;
  readonly work: Work;
  /** Units offered a second; 0: one starts when another ends. */
  readonly rate: number;
  readonly users: number;
  /** Why there are no figures. */
  readonly missing?: string;
  readonly figures?: Figures;
}

export interface Figures {
  /** Runs that count, of all. When none does, the figures are those of all runs. */
  readonly runs: { readonly counting: number; readonly all: number };
  /** Why the others do not count. */
  readonly flaws: readonly string[];
  readonly unitsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** By process: `program`, `generator`, and what stands beside the program. */
  readonly cpuMsPerUnit: Readonly<Record<string, Spread>>;
  readonly maxRssMb: Readonly<Record<string, Spread>>;
}

const CPU = ' CPU ms/unit';
const RSS = ' RSS max MB';
const NONE: Spread = { median: 0, min: 0, max: 0 };

export function figuresOf(runs: readonly Run[]): Figures {
  const flaws = runs.map(flaw).filter((text) => text !== undefined);
  const summary = summarize(runs, flaws.length === runs.length);
  const spreadOf = (name: string) => rounded(summary.get(name) ?? NONE);
  const byProcess = (suffix: string) => {
    const names = [...summary.keys()].filter((name) => name.endsWith(suffix));
    return Object.fromEntries(names.map((name) => [name.slice(0, -suffix.length), spreadOf(name)]));
  };
  return {
    runs: { counting: runs.length - flaws.length, all: runs.length },
    flaws: [...new Set(flaws)],
    unitsPerSecond: spreadOf('units/s'),
    p50Ms: spreadOf('latency p50 ms'),
    p99Ms: spreadOf('latency p99 ms'),
    cpuMsPerUnit: byProcess(CPU),
    maxRssMb: byProcess(RSS),
  };
}

export async function writeResult(directory: string, result: Result): Promise<void> {
  await mkdir(directory, { recursive: true });
  await Bun.write(join(directory, `${result.part}.json`), `${textOf(result)}\n`);
}

/** JSON with each spread on one line. */
function textOf(result: Result): string {
  const spreads = /\{\s+"median": (\S+),\s+"min": (\S+),\s+"max": (\S+)\s+\}/g;
  return JSON.stringify(result, null, 2).replace(spreads, '{ "median": $1, "min": $2, "max": $3 }');
}

/** Reads what a directory has of these parts, in their order. */
export async function readResults(directory: string, parts: readonly string[]): Promise<Result[]> {
  const files = await readdir(directory);
  const known = parts.filter((part) => files.includes(`${part}.json`));
  return Promise.all(known.map((part): Promise<Result> => Bun.file(join(directory, `${part}.json`)).json()));
}

/** Four significant digits: no measurement here has more. */
function rounded({ median, min, max }: Spread): Spread {
  const digits = (value: number) => Number(value.toPrecision(4));
  return { median: digits(median), min: digits(min), max: digits(max) };
}
