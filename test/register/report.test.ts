import { describe, expect, test } from 'bun:test';
import { openCore } from '../support/core.ts';
import { Phone, pipeline } from '../support/phone.ts';
import { secret } from '../support/secrets.ts';

const WONDERLAND = secret('the password of alice', 'wonderland');

function start(changes: Parameters<typeof openCore>[0] = {}) {
  const core = openCore(changes);
  const phone = new Phone(pipeline(core.rules), 'alice', WONDERLAND);
  return { ...core, phone };
}

describe('the log has a line for each REGISTER', () => {
  test('that changes a binding, with what is known of it', async () => {
    const { phone, logger, clock } = start();
    await phone.register({ headers: { 'User-Agent': 'phone 1.0' }, callId: 'call' });
    expect(logger.lines).toMatchObject([
      { level: 'debug', fields: { result: 'challenged', reason: 'Challenge' } },
      {
        level: 'info',
        message: 'REGISTER registered',
        fields: {
          aor: 'alice@sip.example.com',
          result: 'registered',
          contact: 'sip:alice@192.0.2.7:5060',
          source: '192.0.2.7:5060',
          transport: 'udp',
          userAgent: 'phone 1.0',
          callId: 'call',
          expires: 30,
          ms: expect.any(Number),
        },
      },
    ]);
    clock.advance(1000);
    await phone.register();
    await phone.register({ contact: null });
    expect(logger.lines.slice(2).map(({ level, fields }) => [level, Reflect.get(fields, 'result')])).toEqual([
      ['debug', 'refreshed'],
      ['debug', 'challenged'],
      ['debug', 'queried'],
    ]);
    await phone.register({ contact: '*', expires: 0 });
    expect(logger.lines.at(-1)).toMatchObject({ level: 'info', fields: { result: 'unregistered', expires: 0 } });
  });

  const details = [
    ['alice', 'not the password', 'wrong password of alice'],
    ['gone', 'fishing', 'client gone is deactivated'],
    ['mallory', 'not the password', 'no client mallory'],
    // SQLite, as MySQL, finds a client by its name without case.
    ['Alice', WONDERLAND, 'the client is alice, not Alice'],
  ] as const;
  test.each(details)(
    'that is refused, with what was wrong, which phones do not learn: %s, %s',
    async (user, ...rest) => {
      const [password, detail] = rest;
      const { logger, events, rules } = start();
      const { status, headers } = await new Phone(pipeline(rules), user, password).register();
      expect([status, headers?.['X-Reason']]).toEqual([403, 'Invalid credentials']);
      expect(logger.lines.at(-1)).toMatchObject({ level: 'info', fields: { detail } });
      expect(events.at(-1)).toMatchObject({ type: 'refused', detail });
    },
  );

  test('that is refused, with the reason; the log tells an unknown user from a wrong password', async () => {
    const { logger, rules } = start();
    const guess = async (user: string) => new Phone(pipeline(rules), user, 'not the password').register();
    const answers = [await guess('alice'), await guess('mallory')];
    expect(answers.map(({ status, headers }) => [status, headers?.['X-Reason']])).toEqual([
      [403, 'Invalid credentials'],
      [403, 'Invalid credentials'],
    ]);
    expect(logger.lines.filter(({ level }) => level === 'info')).toMatchObject([
      { fields: { aor: 'alice@sip.example.com', result: 'refused', reason: 'InvalidCredentials' } },
      { fields: { aor: 'mallory@sip.example.com', result: 'refused', reason: 'UnknownUser' } },
    ]);
  });

  test('but at most 50 a second of refusals for one reason', async () => {
    const { logger, clock, rules } = start();
    const stranger = new Phone(pipeline(rules), 'alice', WONDERLAND, 'unknown.example.com');
    for (let i = 0; i < 60; i++) await stranger.send();
    const other = await new Phone(pipeline(rules), 'alice', WONDERLAND, 'closed.example.com').send();
    expect(other.status).toBe(403);
    const refused = (reason: string) =>
      logger.lines.filter(({ fields }) => Reflect.get(fields, 'reason') === reason).map(({ message }) => message);
    expect(refused('UnknownRealm')).toHaveLength(50);
    expect(refused('AccountInactive')).toHaveLength(1);
    clock.advance(1000);
    expect(logger.lines.at(-1)).toMatchObject({
      level: 'info',
      message: 'more REGISTERs refused',
      fields: { reason: 'UnknownRealm', further: 10 },
    });
  });

  test('nor more of faults of our own', async () => {
    const refuse = () => Promise.reject(new TypeError('oops'));
    const { phone, logger } = start({ directory: { accountByRealm: refuse, client: refuse, deviceLimit: refuse } });
    for (let i = 0; i < 60; i++) expect((await phone.send()).status).toBe(500);
    expect(logger.lines.filter(({ level }) => level === 'error')).toHaveLength(50);
  });
});

describe('events', () => {
  const types = (events: readonly { type: string }[]) => events.map(({ type }) => type);

  test('a binding is made, moves, and ends; renewing it from where it was is none', async () => {
    const { phone, events, clock } = start();
    await phone.register({ headers: { 'User-Agent': 'phone 1.0' } });
    expect(events).toEqual([
      {
        type: 'registered',
        aor: 'alice@sip.example.com',
        presence: 'online',
        contact: 'sip:alice@192.0.2.7:5060',
        source: '192.0.2.7:5060',
        transport: 'udp',
        userAgent: 'phone 1.0',
        callId: expect.any(String),
        expiresAt: clock.now() + 600_000,
      },
    ]);
    clock.advance(590_000);
    await phone.register();
    expect(types(events)).toEqual(['registered']);
    await phone.register({ source: { port: 5999 } });
    expect(events.at(-1)).toMatchObject({ type: 'refreshed-elsewhere', source: '192.0.2.7:5999', presence: 'online' });
    await phone.register({ expires: 0 });
    expect(events.at(-1)).toMatchObject({ type: 'unregistered', cause: 'phone', presence: 'offline' });
    expect(types(events)).toEqual(['registered', 'refreshed-elsewhere', 'unregistered']);
  });

  test('an AOR that has a binding left stays online', async () => {
    const { phone, events } = start({ maxContacts: 2 });
    await phone.register({ contact: '<sip:a@192.0.2.7>, <sip:b@192.0.2.7>' });
    await phone.register({ contact: '<sip:a@192.0.2.7>;expires=0' });
    expect(events.at(-1)).toMatchObject({ type: 'unregistered', contact: 'sip:a@192.0.2.7', presence: 'online' });
    await phone.register({ contact: '*', expires: 0 });
    expect(events.at(-1)).toMatchObject({ type: 'unregistered', contact: 'sip:b@192.0.2.7', presence: 'offline' });
  });

  test('a binding that another Contact replaces ends', async () => {
    const { phone, events } = start();
    await phone.register();
    await phone.register({ contact: '<sip:alice@192.0.2.8>' });
    expect(events.slice(1)).toMatchObject([
      { type: 'unregistered', cause: 'replaced', contact: 'sip:alice@192.0.2.7:5060', presence: 'online' },
      { type: 'registered', contact: 'sip:alice@192.0.2.8', presence: 'online' },
    ]);
  });

  test('a refusal is one, a challenge is not', async () => {
    const { events, rules } = start();
    await new Phone(pipeline(rules), 'alice', 'not the password').register({ callId: 'call' });
    expect(events).toEqual([
      {
        type: 'refused',
        aor: 'alice@sip.example.com',
        reason: 'InvalidCredentials',
        detail: 'wrong password of alice',
        status: 403,
        source: '192.0.2.7:5060',
        transport: 'udp',
        callId: 'call',
      },
    ]);
  });
});
