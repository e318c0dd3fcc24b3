import { parseArgs } from 'node:util';
import type { Pace } from './sidecar.ts';
import type { Kind } from './stores.ts';

const USAGE = `Has the compiled sidecar, with its embedded edge, keep many registrations at one scripted carrier, and measures it.

  bun bench/trunks/index.ts [--smoke]

  --binary <path>      the sidecar                                            dist/sbc-sip-sidecar
  --stores <kind>      sqlite (provisioning file), or servers: a Redis and a
                       MariaDB that are started for it                        sqlite
  --trunks <n>         carriers with one gateway each                         10000
  --batch-size <n>     registrations that start together, and …               10
  --batch-sleep <ms>   … the pause after them                                 250
  --idle <s>           how long it runs before there is any carrier           10
  --settle <s>         how long nothing is measured after all are registered  40
  --windows <n>        stretches of time over which CPU is measured           3
  --seconds <s>        length of each                                         60
  --cycles <n>         readings of the database that are timed                10
  --stale              the carrier challenges every refresh anew
  --json               the report as JSON
  --smoke              200 trunks, 20 per 50 ms; two windows of 1 s, 3 cycles
  --help               this text

Exit code: 0, 1 when anything goes wrong (a registration that fails, too), 2 for a wrong command line.`;

export interface Options extends Pace {
  readonly binary: string;
  readonly stores: Kind;
  readonly trunks: number;
  readonly idle: number;
  readonly settle: number;
  readonly windows: number;
  readonly seconds: number;
  readonly cycles: number;
  readonly stale: boolean;
  readonly json: boolean;
}

const SMOKE = { trunks: 200, batchSize: 20, batchSleepMs: 50, idle: 1, settle: 1, windows: 2, seconds: 1, cycles: 3 };

/** Undefined when there is nothing to measure: help was asked for, or what is wrong was said. */
export function readArgs(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: {
        binary: { type: 'string', default: 'dist/sbc-sip-sidecar' },
        stores: { type: 'string', default: 'sqlite' },
        trunks: { type: 'string', default: '10000' },
        'batch-size': { type: 'string', default: '10' },
        'batch-sleep': { type: 'string', default: '250' },
        idle: { type: 'string', default: '10' },
        settle: { type: 'string', default: '40' },
        windows: { type: 'string', default: '3' },
        seconds: { type: 'string', default: '60' },
        cycles: { type: 'string', default: '10' },
        stale: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        smoke: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    const { binary, stores, stale, json, smoke } = values;
    if (stores !== 'sqlite' && stores !== 'servers') throw new Error(`--stores ${stores}: must be sqlite or servers`);
    const read = {
      trunks: count('trunks', values.trunks),
      batchSize: count('batch-size', values['batch-size']),
      batchSleepMs: count('batch-sleep', values['batch-sleep']),
      idle: count('idle', values.idle),
      settle: count('settle', values.settle),
      windows: count('windows', values.windows),
      seconds: count('seconds', values.seconds),
      cycles: count('cycles', values.cycles),
    };
    if (!values.help) return { binary, stores, stale, json, ...(smoke ? SMOKE : read) };
    console.log(USAGE);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

function count(flag: string, text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new Error(`--${flag} ${text}: must be a whole number over 0`);
}
