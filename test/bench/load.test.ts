import { afterEach, expect, test } from 'bun:test';
import { Load, type LoadOptions, type RunOptions } from '../../bench/register/load.ts';
import { flaw } from '../../bench/register/report.ts';
import { type BenchRegistrarOptions, sourceOf, startRegistrar } from './registrar.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0)) await thing.close();
});

const secret = (user: string) => user.replace('user', 'secret');

async function setUp(registrarOptions: Partial<BenchRegistrarOptions> = {}, loadOptions: Partial<LoadOptions> = {}) {
  const { peer, registrar } = await startRegistrar({ password: secret, ...registrarOptions });
  open.push({ close: () => peer.stop() });
  const load = await Load.open({
    target: { host: '127.0.0.1', port: peer.port },
    realm: 'sidecar.test',
    users: 20,
    userPattern: 'user%d',
    passwordPattern: 'secret%d',
    sources: 4,
    expires: 600,
    ...loadOptions,
  });
  open.push(load);
  return { peer, registrar, load };
}

const run: RunOptions = { work: 'full', seconds: 0.3, rate: 100, concurrency: 4 };

test('a full registration is challenged and has a new Contact and Call-ID', async () => {
  const { peer, registrar, load } = await setUp();
  const counts = await load.run(run);
  expect(counts).toMatchObject({ started: 30, done: 30, wrong: 0, unanswered: 0, skipped: 0, requests: 60 });
  expect(Object.fromEntries(counts.statuses)).toEqual({ 200: 30, 401: 30 });
  expect(new Set(peer.requests.map((r) => r.header('Call-ID'))).size).toBe(30);
  expect(new Set(peer.requests.map((r) => r.header('Contact'))).size).toBe(30);
  expect(new Set(peer.requests.map((r) => /branch=([^;]+)/.exec(r.header('Via') ?? '')?.[1])).size).toBe(60);
  expect(registrar.registered.size).toBe(20);
});

test('users are spread over sources with separate addresses, and each keeps its source', async () => {
  const { peer, load } = await setUp();
  await load.run(run);
  const sources = new Set(peer.requests.map(sourceOf));
  expect(sources.size).toBe(4);
  expect([...sources].map((s) => s.split(':')[0]).sort()).toEqual(['127.0.1.1', '127.0.1.2', '127.0.1.3', '127.0.1.4']);
  for (const request of peer.requests) expect(request.header('Contact')).toEndWith(`@${sourceOf(request)}>`);
});

test('an MD5 challenge is found beside a stronger one', async () => {
  const { load } = await setUp({ algorithms: ['SHA-256', 'MD5'] });
  expect(await load.run(run)).toMatchObject({ started: 30, done: 30, wrong: 0 });
});

test('a wrong password is a wrong answer, and the run does not count', async () => {
  const { load } = await setUp({}, { passwordPattern: 'guess%d' });
  const counts = await load.run(run);
  expect(counts).toMatchObject({ started: 30, done: 0, wrong: 30, unanswered: 0 });
  expect([...counts.samples]).toEqual(['authorized REGISTER: 403 instead of 200']);
  expect(flaw({ counts, seconds: 0.3, usage: [] })).toBe('100.00 % answered wrongly');
});

test('a refresh repeats the Contact of the enrolment without credentials', async () => {
  const { peer, registrar, load } = await setUp();
  await load.enrol(4);
  expect(registrar.registered.size).toBe(20);
  const enrolled = peer.requests.splice(0);
  const counts = await load.run({ ...run, work: 'refresh' });
  expect(counts).toMatchObject({ started: 30, done: 30, wrong: 0, requests: 30 });
  expect(peer.requests.filter((r) => r.header('Authorization'))).toEqual([]);
  const contacts = new Set(enrolled.map((r) => r.header('Contact')));
  expect(peer.requests.every((r) => contacts.has(r.header('Contact')))).toBe(true);
});

test('a refresh that is challenged is a wrong answer', async () => {
  const { registrar, load } = await setUp();
  await load.enrol(4);
  registrar.registered.clear();
  const counts = await load.run({ ...run, work: 'refresh' });
  expect(counts).toMatchObject({ started: 30, done: 0, wrong: 30 });
});

test('enrolment fails with the reason when a user cannot be registered', async () => {
  const { load } = await setUp({}, { passwordPattern: 'guess%d' });
  await expect(load.enrol(1)).rejects.toThrow('only 0 of 20 users could be registered: authorized REGISTER: 403');
});

test('a unit of unregister registers and removes, both challenged', async () => {
  const { registrar, load } = await setUp();
  const counts = await load.run({ ...run, work: 'unregister' });
  expect(counts).toMatchObject({ started: 30, done: 30, wrong: 0, requests: 120 });
  expect(registrar.registered.size).toBe(0);
});

test.each<[string, NonNullable<BenchRegistrarOptions['listed']>]>([
  ['without a Contact', () => ({})],
  ['with a Contact that has no time left', (contact) => ({ Contact: `${contact};expires=0`, Expires: '600' })],
  ['with a Contact that has no expiry', (contact) => ({ Contact: contact })],
  ['with the Contact of another user', () => ({ Contact: '<sip:user1@192.0.2.1>;expires=600' })],
])('a 200 %s is a wrong answer', async (_, listed) => {
  const { load } = await setUp({ listed });
  const counts = await load.run({ ...run, rate: 20 });
  expect(counts).toMatchObject({ started: 6, done: 0, wrong: 6 });
  expect([...counts.samples]).toEqual(['authorized REGISTER: 200, but the Contact is not bound']);
});

test('a Contact is found among others; its expiry may be in the Expires header, and expires=0 means removed', async () => {
  const listed = (contact: string, expires: number) => ({
    Contact: `<sip:a@b>;expires=0, ${contact}${expires ? '' : ';expires=0'}, <sip:c@d>;expires=9`,
    Expires: '600',
  });
  const { load } = await setUp({ listed });
  const counts = await load.run({ ...run, rate: 20, work: 'unregister' });
  expect(counts).toMatchObject({ started: 6, done: 6, wrong: 0 });
});

test('a Contact that stays after its removal is a wrong answer', async () => {
  const { load } = await setUp({ listed: (contact) => ({ Contact: `${contact};expires=600` }) });
  const counts = await load.run({ ...run, rate: 20, work: 'unregister' });
  expect([...counts.samples]).toEqual(['authorized REGISTER: 200, but the Contact is still bound']);
});

test('a unit of options is one request', async () => {
  const { peer, load } = await setUp();
  expect(await load.run({ ...run, work: 'options' })).toMatchObject({ started: 30, done: 30, wrong: 0, requests: 30 });
  expect(peer.requests.every((r) => r.method === 'OPTIONS')).toBe(true);
});

test('the closed loop keeps its concurrency in flight and ends with its window', async () => {
  const { load } = await setUp();
  const counts = await load.run({ ...run, rate: 0, concurrency: 4 });
  expect(counts.started).toBeGreaterThan(4);
  expect(counts).toMatchObject({ done: counts.started, wrong: 0, unanswered: 0 });
  expect(counts.latency.percentile(0.5)).toBeLessThanOrEqual(counts.latency.percentile(1));
});

test('a lost request is retransmitted unchanged after T1, and its unit is done', async () => {
  const { peer, load } = await setUp({
    lost: (r, copies) => r.header('Authorization') !== undefined && copies === 1,
  });
  const counts = await load.run({ ...run, rate: 20 });
  expect(counts).toMatchObject({ started: 6, done: 6, retransmissions: 6, requests: 12, unanswered: 0 });
  expect(peer.requests.length).toBe(18);
  expect(new Set(peer.requests.map((r) => r.text)).size).toBe(12);
  expect(counts.latency.percentile(0)).toBeGreaterThanOrEqual(500);
});

test('a unit without an answer is unanswered, and the run does not count', async () => {
  const { load } = await setUp({ lost: () => true });
  const counts = await load.run({ ...run, rate: 20, drainMs: 100 });
  expect(counts).toMatchObject({ started: 6, done: 0, unanswered: 6 });
  expect(flaw({ counts, seconds: 0.3, usage: [] })).toBe('100.00 % unanswered');
  expect(await load.run({ ...run, rate: 0, drainMs: 100 })).toMatchObject({ started: 4, done: 0, unanswered: 4 });
});

test('a unit that finds no idle user is skipped', async () => {
  const { load } = await setUp({ lost: () => true }, { users: 2 });
  const counts = await load.run({ ...run, rate: 20, drainMs: 100, work: 'options' });
  expect(counts).toMatchObject({ started: 2, skipped: 4 });
});

test('every unit is unanswered when nothing listens at the target', async () => {
  const { peer, load } = await setUp();
  await peer.stop();
  const counts = await load.run({ ...run, drainMs: 100 });
  expect(counts.lost).toBeGreaterThan(0);
  expect(counts).toMatchObject({ done: 0, wrong: 0, unanswered: counts.started });
});
