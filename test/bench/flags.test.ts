import { describe, expect, test } from 'bun:test';
import { type Flags, helpOf, readFlags, UsageError } from '../../bench/lib/flags.ts';

const KINDS = ['a', 'b'] as const;

function declare(flags: Flags) {
  return {
    name: flags.text('name', { help: 'a text', default: 'usual' }),
    socket: flags.optionalText('socket', { value: 'path', help: 'a text or none' }),
    rate: flags.number('rate', { help: 'a number', default: 1.5, smoke: 0.5 }),
    runs: flags.whole('runs', { help: 'a whole number', default: 5, smoke: 1, max: 9 }),
    kind: flags.choice('kind', KINDS, { value: 'kind', help: 'first line\nsecond line', default: 'a' }),
    kinds: flags.choices('kinds', KINDS, { value: 'kind', help: 'several' }),
    even: flags.list('even', {
      help: 'numbers',
      expected: 'an even number',
      read: (text) => (Number(text) % 2 === 0 ? Number(text) : undefined),
    }),
    json: flags.toggle('json', 'a toggle'),
    smoke: flags.toggle('smoke', 'less'),
  };
}

const DEFAULTS: ReturnType<typeof declare> = {
  name: 'usual',
  socket: undefined,
  rate: 1.5,
  runs: 5,
  kind: 'a',
  kinds: KINDS,
  even: [],
  json: false,
  smoke: false,
};

describe('readFlags', () => {
  test('a flag that is not given has its default, with --smoke the one for that', () => {
    expect(readFlags([], declare)).toEqual(DEFAULTS);
    expect(readFlags(['--smoke'], declare)).toEqual({ ...DEFAULTS, rate: 0.5, runs: 1, smoke: true });
    expect(readFlags(['--smoke', '--runs', '3'], declare)).toMatchObject({ rate: 0.5, runs: 3 });
  });

  test('values follow the flag or an equals sign, in any order; of several the last one counts', () => {
    const args = ['--json', '--kind=b', '--runs', '3', '--name=--x=y', '--runs', '4', '--socket', '/s'];
    expect(readFlags(args, declare)).toMatchObject({ json: true, kind: 'b', runs: 4, name: '--x=y', socket: '/s' });
  });

  test('repeatable flags collect their values', () => {
    expect(readFlags(['--even', '2', '--kinds', 'b', '--even=4'], declare)).toMatchObject({
      even: [2, 4],
      kinds: ['b'],
    });
    expect(readFlags(['--kinds', 'b,a'], declare)).toMatchObject({ kinds: ['b', 'a'] });
  });

  test.each([
    [['--rate', '0'], '--rate 0: must be a number above 0, up to 1000000'],
    [['--rate='], '--rate : must be a number above 0, up to 1000000'],
    [['--runs', '1.5'], '--runs 1.5: must be a whole number from 1 to 9'],
    [['--runs', '10'], '--runs 10: must be a whole number from 1 to 9'],
    [['--kind', 'c'], '--kind c: must be one of a, b'],
    [['--kinds', 'a', '--kinds', 'c'], '--kinds c: must be one of a, b'],
    [['--even', '3'], '--even 3: must be an even number'],
    [['--name'], '--name requires a value'],
    [['--name', '--json'], '--name requires a value'],
    [['--unknown', '1'], 'unexpected argument --unknown'],
    [['stray'], 'unexpected argument stray'],
  ])('%p is a usage error', (args, message) => {
    expect(() => readFlags(args, declare)).toThrow(new UsageError(message));
  });
});

test('the help text lists every flag with its default', () => {
  expect(helpOf(declare)).toBe(`  --name <text>     a text           usual
  --socket <path>   a text or none
  --rate <n>        a number         1.5
  --runs <n>        a whole number   5
  --kind <kind>     first line
                    second line      a
  --kinds <kind>    several          all
  --even <text>     numbers
  --json            a toggle
  --smoke           less
  --help            this text`);
});
