import { describe, expect, test } from 'bun:test';
import type { ArgsDef } from 'citty';
import { readArguments, UsageError } from '../../src/commands/arguments.ts';
import { duration, readDuration } from '../../src/commands/duration.ts';

const DEFINITIONS = {
  ip: { type: 'positional', description: 'server IP address' },
  port: { type: 'positional', required: false },
  wait: { type: 'boolean' },
  timeout: { type: 'string' },
  transport: { type: 'enum', options: ['udp', 'tcp', 'tls'] },
} satisfies ArgsDef;
const read = (...argv: string[]): Readonly<Record<string, unknown>> => readArguments('drain', DEFINITIONS, argv);

describe('arguments', () => {
  test('flags and positional arguments in any order', () => {
    const all = { ip: '10.0.0.1', port: '5060', wait: true, timeout: '10m' };
    expect(read('10.0.0.1', '--wait', '5060', '--timeout', '10m')).toMatchObject(all);
    expect(read('--timeout=10m', '10.0.0.1', '5060', '--wait')).toMatchObject(all);
    expect(read('x')).toEqual({ _: ['x'], ip: 'x' });
  });

  test('values may contain =, be empty, or look like a flag when assigned or after --', () => {
    expect(read('x', '--timeout=a=b').timeout).toBe('a=b');
    expect(read('x', '--timeout=').timeout).toBe('');
    expect(read('x', '--timeout=-5').timeout).toBe('-5');
    expect(read('--wait', '--', '--wait', '-5')).toMatchObject({ ip: '--wait', port: '-5', wait: true });
    expect(read('-').ip).toBe('-');
    expect(read('x', '--transport', 'tls').transport).toBe('tls');
    expect(read('x', '--transport=TLS').transport).toBe('tls');
  });

  test.each([
    [[], 'drain requires server IP address'],
    [['a', 'b', 'c'], 'Unexpected argument: c'],
    [['a', '--bogus=1'], 'Unknown option: --bogus'],
    [['a', '-w'], 'Unknown option: -w'],
    [['a', '--ip', 'x'], 'Unknown option: --ip'],
    [['a', '--constructor'], 'Unknown option: --constructor'],
    [['a', '--wait=yes'], '--wait takes no value'],
    [['a', '--timeout'], '--timeout requires a value'],
    [['a', '--timeout', '--wait'], '--timeout requires a value'],
    [['a', '--wiat'], 'Unknown option: --wiat. Did you mean --wait?'],
    [['a', '--hlep'], 'Unknown option: --hlep. Did you mean --help?'],
    [['a', '--transport', 'utp'], '--transport takes udp, tcp, tls, not utp. Did you mean udp?'],
    [['a', '--transport='], '--transport takes udp, tcp, tls, not '],
  ])('%p: %s', (argv, message) => {
    expect(() => read(...argv)).toThrow(new UsageError(message));
  });
});

test.each([
  ['90', 90_000],
  ['90s', 90_000],
  ['10m', 600_000],
  ['1h', 3_600_000],
  ['0', undefined],
  ['0m', undefined],
  ['', undefined],
  ['m', undefined],
  ['1.5h', undefined],
  ['-5', undefined],
  ['10 m', undefined],
  ['10M', undefined],
  ['1234567', undefined],
])('the duration %p is %p ms', (text, ms) => {
  expect(readDuration(text)).toBe(ms);
});

test.each([
  [-5, '0 s'],
  [12_900, '12 s'],
  [60_000, '1 min'],
  [3_599_000, '59 min'],
  [11_520_000, '3 h 12 min'],
  [187_200_000, '2 d 4 h'],
])('%p ms is shown as %s', (ms, text) => {
  expect(duration(ms)).toBe(text);
});
