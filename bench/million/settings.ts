import { underFlag } from '../lib/apart.ts';
import { binaryFlag, jsonFlag } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';

const PARTS = ['growth', 'lookups', 'reconciliation', 'list'] as const;

export function millionSettings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    parts: flags.choices('part', PARTS, {
      value: 'name',
      help: `repeatable
growth          registrations and refreshes, with few and with many bindings
lookups         registrations whose client is read from MySQL each time
reconciliation  at the start of a sidecar
list            reg list`,
    }),
    many: flags.whole('bindings', { help: 'bindings in Redis and clients in MySQL', default: 1_000_000, smoke: 2000 }),
    realms: flags.whole('realms', { help: 'accounts that they are spread over', default: 10_000, smoke: 20 }),
    few: flags.whole('few', { help: 'bindings that are compared with them', default: 1000, smoke: 100 }),
    phones: flags.whole('phones', { help: 'of the many, those that register', default: 10_000, smoke: 100 }),
    rate: flags.number('rate', { help: 'units started per second', default: 800, smoke: 50 }),
    seconds: flags.number('seconds', { value: 's', help: 'length of a run', default: 6, smoke: 1, max: 600 }),
    warmup: flags.number('warmup', { value: 's', help: 'the same before the first run', default: 3, smoke: 0.5 }),
    runs: flags.whole('runs', { help: 'runs of each side', default: 3, smoke: 1, max: 100 }),
    under: underFlag(flags),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', '2 000 bindings in 20 accounts, one run of 1 s at 50/s'),
  };
}

export type Settings = ReturnType<typeof millionSettings>;
