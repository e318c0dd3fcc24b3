/** Compares what hostile SIP messages cost to read with usual ones of the same length. */
import { parseNameAddrs } from '../../src/sip/name-addr.ts';
import { parseMessage } from '../../src/sip/parse-message.ts';
import { HOSTILE_MESSAGES, HOSTILE_NAME_ADDRS, options } from '../../test/sip/hostile.ts';
import { jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';

/** What a quadratic search exceeds by far. */
const TOLERATED_RATIO = 25;

/** Readings before the first that counts. */
const WARM_UP = 200;
/** As many headers and contacts as are read. */
const HEADERS = 90;
const CONTACTS = 50;

void runBenchmark({
  about: `Compares what hostile SIP messages cost to read with usual ones of the same length.

  bun bench/parse/index.ts [--runs 200]`,
  failsWhen: `a hostile text costs more than ${TOLERATED_RATIO} times as much as a usual one`,
  settings: (flags: Flags) => ({
    runs: flags.whole('runs', {
      help: 'readings of each text, the quickest of which counts',
      default: 200,
      smoke: 3,
      min: 1,
    }),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', '3 readings; the ratios are not judged'),
  }),
  run: bench,
});

interface Figures {
  readonly what: string;
  readonly length: number;
  readonly us: number;
  /** The usual text of that length. */
  readonly usualUs: number;
  readonly ratio: number;
}

async function bench({ runs, smoke }: { runs: number; smoke: boolean }): Promise<Report> {
  const message = (text: string) => void parseMessage(Buffer.from(text));
  const nameAddrs = (text: string) => void parseNameAddrs(text, CONTACTS);
  const figures = [
    ...HOSTILE_MESSAGES.map(([what, text]) => compare(message, { what, text }, usualMessage(text.length), runs)),
    ...HOSTILE_NAME_ADDRS.map(([what, text]) => compare(nameAddrs, { what, text }, usualContacts(text.length), runs)),
  ];
  const slow = smoke ? [] : figures.filter(({ ratio }) => ratio > TOLERATED_RATIO);
  const lines = figures.map(({ what, length, us, usualUs, ratio }) => {
    return `${ratio.toFixed(2)} ×  ${us.toFixed(0)} µs, usual ${usualUs.toFixed(0)} µs, ${length} bytes: ${what}`;
  });
  return {
    figures: { runs, figures },
    text: lines.join('\n'),
    faults: slow.map(({ what, ratio }) => `${what}: ${ratio.toFixed(0)} times as slow to read as usual`),
  };
}

/** The texts take turns, so that what the machine does meanwhile hits both alike. */
function compare(
  parse: (text: string) => void,
  { what, text: hostile }: { what: string; text: string },
  usual: string,
  runs: number,
): Figures {
  // Throws when it is not usual after all.
  parse(usual);
  for (let i = 0; i < WARM_UP; i++) {
    time(parse, hostile);
    time(parse, usual);
  }
  let us = Number.POSITIVE_INFINITY;
  let usualUs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    us = Math.min(us, time(parse, hostile));
    usualUs = Math.min(usualUs, time(parse, usual));
  }
  return { what, length: hostile.length, us, usualUs, ratio: us / usualUs };
}

/** Microseconds, of reading or refusing. */
function time(parse: (text: string) => void, text: string): number {
  const began = performance.now();
  try {
    parse(text);
  } catch {
    // Most hostile texts are refused.
  }
  return 1000 * (performance.now() - began);
}

function usualMessage(length: number): string {
  const value = 'a'.repeat(Math.max(1, Math.floor((length - options().length) / HEADERS) - 'X-nn: \r\n'.length));
  return options(...Array.from({ length: HEADERS }, (_, i) => `X-${i}: ${value}`));
}

function usualContacts(length: number): string {
  const contact = '<sip:user@host.example.com;transport=tcp>;expires=3600;+sip.instance="';
  const value = 'a'.repeat(Math.floor(length / CONTACTS) - contact.length - 2);
  return Array.from({ length: CONTACTS }, () => `${contact}${value}"`).join();
}
