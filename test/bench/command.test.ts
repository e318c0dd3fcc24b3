import { afterEach, expect, test } from 'bun:test';
import { readFlags, UsageError } from '../../bench/lib/flags.ts';
import { Counts } from '../../bench/register/counts.ts';
import { summarize } from '../../bench/register/report.ts';
import { registerSettings } from '../../bench/register/settings.ts';
import { TestRegistrar } from './registrar.ts';

let registrar: TestRegistrar | undefined;
afterEach(() => registrar?.stop());

async function command(...args: string[]) {
  const child = Bun.spawn([process.execPath, 'bench/register/index.ts', ...args], { stdout: 'pipe', stderr: 'pipe' });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

test('--help explains and exits 0, an unknown flag exits 2', async () => {
  const help = await command('--help');
  expect(help).toMatchObject({ code: 0, err: '' });
  expect(help.out).toContain('--user-pattern');
  const unknown = await command('--ratte', '5');
  expect(unknown).toMatchObject({ code: 2, out: '' });
  expect(unknown.err).toContain('--ratte');
});

test('every wrong value is refused by name', () => {
  for (const args of [
    ['--work', 'invite'],
    ['--transport', 'tcp'],
    ['--target', 'localhost:5060'],
    ['--target', '127.0.0.1:70000'],
    ['--users', '0'],
    ['--users', '1.5'],
    ['--rate', 'fast'],
    ['--runs', ''],
    ['--pid', 'sidecar'],
    ['stray'],
  ]) {
    expect(() => readFlags(args, registerSettings)).toThrow(UsageError);
  }
});

test('a run prints the table, with --json the same as JSON, and measures the processes named', async () => {
  registrar = await TestRegistrar.start({ password: (user) => user.replace('user', 'secret') });
  const args = ['--target', `here=127.0.0.1:${registrar.port}`, '--users', '20', '--sources', '5', '--warmup', '0'];
  const short = [...args, '--rate', '100', '--seconds', '0.3', '--runs', '2', '--pid', `registrar=${process.pid}`];
  const text = await command(...short);
  expect(text).toMatchObject({ code: 0, err: '' });
  expect(text.out).toMatch(/^here: full, 100\/s, 2 runs of 0\.3 s/m);
  expect(text.out).toMatch(/^registrar CPU ms\/unit +\d/m);
  expect(text.out).toContain('answers by status, all runs: 200: 60, 401: 60');
  const json = await command(...short, '--json');
  expect(json).toMatchObject({ code: 0, err: '' });
  const [target] = JSON.parse(json.out).targets;
  expect(target.summary.units).toEqual({ median: 30, min: 30, max: 30 });
  expect(target.runs).toHaveLength(2);
  expect(target.runs[0]).toMatchObject({ counts: true, flaw: null, answers: { 200: 30, 401: 30 } });
  expect(target.runs[0].figures['registrar RSS max MB']).toBeGreaterThan(1);
});

test('exit code 1 when no run counts or a process is not there', async () => {
  registrar = await TestRegistrar.start({ password: () => 'another' });
  const args = ['--target', `127.0.0.1:${registrar.port}`, '--warmup', '0', '--seconds', '0.1', '--runs', '1'];
  const refused = await command(...args, '--rate', '50');
  expect(refused.code).toBe(1);
  expect(refused.out).toContain('run 1 does not count: 100.00 % answered wrongly');
  // Process ids end well below this number.
  const gone = await command(...args, '--pid', 'nobody=999999999');
  expect(gone).toMatchObject({ code: 1, out: '', err: 'process nobody (pid 999999999) is not there\n' });
});

test('the summary leaves out runs that do not count', () => {
  const run = (done: number, unanswered: number) => {
    const counts = new Counts();
    counts.started = done + unanswered;
    counts.done = done;
    counts.doneInTime = done;
    counts.unanswered = unanswered;
    return { counts, seconds: 1, usage: [] };
  };
  const summary = summarize([run(100, 0), run(5000, 5000), run(400, 0), run(200, 0), run(2000, 2)]);
  expect(summary.get('units/s')).toEqual({ median: 300, min: 100, max: 2000 });
});
