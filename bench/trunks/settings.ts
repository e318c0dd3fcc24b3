import { binaryFlag, jsonFlag } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { STORES } from './stores.ts';

export function trunksSettings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    stores: flags.choice('stores', STORES, {
      value: 'kind',
      help: 'sqlite (provisioning file), or servers: a Redis and a\nMariaDB that are started for it',
      default: 'sqlite',
    }),
    trunks: flags.whole('trunks', { help: 'carriers with one gateway each', default: 10_000, smoke: 200 }),
    batchSize: flags.whole('batch-size', { help: 'registrations that start together', default: 10, smoke: 20 }),
    batchSleepMs: flags.whole('batch-sleep', {
      value: 'ms',
      help: 'pause between batches',
      default: 250,
      smoke: 50,
    }),
    idle: flags.whole('idle', { value: 's', help: 'time before there is any carrier', default: 10, smoke: 1 }),
    settle: flags.whole('settle', {
      value: 's',
      help: 'time between the last registration and the first window',
      default: 40,
      smoke: 1,
    }),
    windows: flags.whole('windows', { help: 'windows over which CPU is measured', default: 3, smoke: 2 }),
    seconds: flags.whole('seconds', { value: 's', help: 'length of a window', default: 60, smoke: 1 }),
    cycles: flags.whole('cycles', { help: 'readings of the database that are timed', default: 10, smoke: 3 }),
    stale: flags.toggle('stale', 'the carrier challenges every refresh anew'),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', '200 trunks, 20 per 50 ms; two windows of 1 s, 3 cycles'),
  };
}

export type Settings = ReturnType<typeof trunksSettings>;
