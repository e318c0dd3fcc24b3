import { afterEach, expect, test } from 'bun:test';
import { readFlags, UsageError } from '../../bench/lib/flags.ts';
import { Counts } from '../../bench/register/counts.ts';
import { summarize } from '../../bench/register/report.ts';
import { registerSettings } from '../../bench/register/settings.ts';
import type { SipPeer } from '../support/sip-peer.ts';
import { startRegistrar } from './registrar.ts';
import { runBench } from './run-bench.ts';

let peer: SipPeer | undefined;
afterEach(() => peer?.stop());

const command = (...args: string[]) => runBench('register', ...args);

test('--help lists the flags and exits 0, an unknown flag exits 2', async () => {
  const help = await command('--help');
  expect(help).toMatchObject({ code: 0, stderr: '' });
  expect(help.stdout).toContain('--user-pattern');
  const unknown = await command('--ratte', '5');
  expect(unknown).toMatchObject({ code: 2, stdout: '' });
  expect(unknown.stderr).toContain('--ratte');
});

test('a faulty value is a usage error', () => {
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

test('prints a table, or with --json the same figures, and measures the named processes', async () => {
  ({ peer } = await startRegistrar({ password: (user) => user.replace('user', 'secret') }));
  const args = ['--target', `here=127.0.0.1:${peer.port}`, '--users', '20', '--sources', '5', '--warmup', '0'];
  const short = [...args, '--rate', '100', '--seconds', '0.3', '--runs', '2', '--pid', `registrar=${process.pid}`];
  const text = await command(...short);
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toMatch(/^here: full, 100\/s, 2 runs of 0\.3 s/m);
  expect(text.stdout).toMatch(/^registrar CPU ms\/unit +\d/m);
  expect(text.stdout).toContain('answers by status, all runs: 200: 60, 401: 60');
  const json = await command(...short, '--json');
  expect(json).toMatchObject({ code: 0, stderr: '' });
  const [target] = JSON.parse(json.stdout).targets;
  expect(target.summary.units).toEqual({ median: 30, min: 30, max: 30 });
  expect(target.runs).toHaveLength(2);
  expect(target.runs[0]).toMatchObject({ counts: true, flaw: null, answers: { 200: 30, 401: 30 } });
  expect(target.runs[0].figures['registrar RSS max MB']).toBeGreaterThan(1);
});

test('exits 1 when no run counts or a process does not exist', async () => {
  ({ peer } = await startRegistrar({ password: () => 'another' }));
  const args = ['--target', `127.0.0.1:${peer.port}`, '--warmup', '0', '--seconds', '0.1', '--runs', '1'];
  const refused = await command(...args, '--rate', '50');
  expect(refused.code).toBe(1);
  expect(refused.stdout).toContain('run 1 does not count: 100.00 % answered wrongly');
  // Above the largest process id.
  const gone = await command(...args, '--pid', 'gone=999999999');
  expect(gone).toMatchObject({ code: 1, stdout: '', stderr: 'process gone (pid 999999999) is not there' });
});

test('runs that do not count are not in the summary', () => {
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
