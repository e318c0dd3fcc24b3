import { underFlag } from '../lib/apart.ts';
import { binaryFlag, jsonFlag } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';

const FRONTS = ['drachtio', 'edge'] as const;
const WORKS = ['full', 'refresh'] as const;

export function coresSettings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    front: flags.choice('front', FRONTS, {
      value: 'kind',
      help: 'drachtio: all sidecars are behind one; edge: embedded edges\nthat share their port (SIDECAR_SHARE_PORTS)',
      default: 'drachtio',
    }),
    drachtio: flags.optionalText('drachtio', {
      value: 'path',
      help: 'a drachtio server; without it, the double of the tests',
    }),
    sidecars: flags.whole('sidecars', { help: 'that are compared with one', default: 2, min: 2, max: 16 }),
    works: flags.choices('work', WORKS, { value: 'kind', help: 'repeatable; full, refresh' }),
    phones: flags.whole('phones', { help: 'of each side', default: 1000, smoke: 100 }),
    rate: flags.number('rate', { help: 'units a second for the cost of a unit', default: 800, smoke: 50 }),
    concurrency: flags.whole('concurrency', { help: 'units in flight for the ceiling', default: 100, smoke: 10 }),
    seconds: flags.number('seconds', { value: 's', help: 'length of a run', default: 4, smoke: 0.5, max: 600 }),
    warmup: flags.number('warmup', { value: 's', help: 'the same before the first run', default: 3, smoke: 0.2 }),
    runs: flags.whole('runs', { help: 'runs of each side', default: 3, smoke: 1, max: 100 }),
    under: underFlag(flags),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', '100 phones, one run of 0.5 s at 50/s and 10 in flight'),
  };
}

export type Settings = ReturnType<typeof coresSettings>;
