import { afterAll, describe, expect, test } from 'bun:test';
import { headerOf, type Phone, type RegisterFields, type User } from '../support/phone.ts';
import { ALICE, Attacked, MALLORY, REALM, STORES, smuggled } from './attacked.ts';

// SQL, patterns and separators of Redis keys, and JSON in every field that reaches a query, a key or a stored value.

const DEADLINE_MS = 60_000;

/** Without white space, which no AOR may have. */
const INJECTIONS = [
  "'OR'1'='1",
  "alice'#",
  "';DROP/**/TABLE/**/clients;--",
  '"OR""="',
  "x'/**/UNION/**/SELECT/**/password/**/FROM/**/clients#",
  "\\'OR/**/1=1;--",
  '`/*!50000SLEEP(9)*/`',
  'ʼOR/**/1=1;--',
  '_____',
  '%',
  '*',
  'a*',
  '[a-z]?ice',
  '{alice}',
  'user:alice',
  `alice@${REALM}`,
  '","expires":99999999999,"x":"',
];

/** Side by side, because each refusal takes 100 ms. */
function each(texts: readonly string[], attack: (text: string) => Promise<void>) {
  return Promise.all(texts.map(attack));
}

/** The text as a user of a SIP URI. */
function escaped(text: string): string {
  return encodeURIComponent(text);
}

/** The text in a quoted string (RFC 3261 25.1). */
function quoted(text: string): string {
  return text.replace(/["\\]/g, '\\$&');
}

/** REGISTERs as a user of any name, and answers the challenge. @param spoil changes the credentials */
async function register(
  phone: Phone,
  fields: RegisterFields = {},
  spoil: (authorization: string) => string = (authorization) => authorization,
) {
  const uri = `<sip:${escaped(phone.user)}@${REALM}>`;
  const named = { to: uri, ...fields, headers: { From: `${uri};tag=1`, ...fields.headers } };
  const first = await phone.send(named);
  if (first.status !== 401) return first;
  const authorization = phone.answer(first).replace(`username="${phone.user}"`, `username="${quoted(phone.user)}"`);
  return await phone.send({ ...named, authorization: spoil(authorization) });
}

/** Credentials with another value of a parameter. */
function withParameter(authorization: string, name: string, value: string): string {
  return `${authorization.replace(new RegExp(`\\b${name}="[^"]*"`), 'x="y"')}, ${name}="${quoted(value)}"`;
}

const contact = (text: string) => `<sip:${text}@198.51.100.1>`;

/** An injection goes here, without valid credentials. */
const strangers: [string, number[], (phone: Phone, text: string) => ReturnType<typeof register>][] = [
  ['the To', [400, 403], (phone, text) => register(phone, { to: `<sip:${text}@${REALM}>` })],
  ['the host of the To', [400, 403], (phone, text) => register(phone, { to: `<sip:alice@${text}>` })],
  ['the Request-URI', [400, 403], (phone, text) => register(phone, { uri: `sip:${text}` })],
  ['the From', [400, 403], (phone, text) => register(phone, { headers: { From: `<sip:${text}@${REALM}>;tag=1` } })],
  ['the Call-ID', [403], (phone, text) => register(phone, { callId: text })],
  ['the User-Agent', [403], (phone, text) => register(phone, { headers: { 'User-Agent': text } })],
  ['the Contact', [400, 403], (phone, text) => register(phone, { contact: contact(text) })],
  ['the Expires', [403], (phone, text) => register(phone, { expires: text })],
  ...['username', 'realm', 'nonce', 'uri', 'response', 'cnonce', 'opaque'].map((name): (typeof strangers)[number] => [
    `the ${name} of the credentials`,
    [401, 403],
    (phone, text) => register(phone, {}, (authorization) => withParameter(authorization, name, text)),
  ]),
];

/** Names of users, which are anything that a provisioning file or the portal's database may hold. */
const NAMES = INJECTIONS.filter((text) => !text.includes('@'));
const named: User[] = NAMES.map((user, i) => ({ user, password: `password number ${i}`, realm: REALM }));

describe.each(STORES)('with %s', async (stores) => {
  const target = await Attacked.start(stores, { users: named });
  afterAll(() => target.stop());

  test.each(strangers)(
    'in %s, an injection is refused with %j and stores nothing',
    async (_, statuses, attack) => {
      await target.unharmedBy(async () => {
        await each(INJECTIONS, async (text) => {
          using phone = await target.intruder({ ...ALICE, password: 'guess-of-it' });
          const answer = await attack(phone, text);
          expect(statuses, text).toContain(answer.status);
        });
      });
    },
    DEADLINE_MS,
  );

  test(
    'a user whom no row names gets nothing, with any name',
    async () => {
      await target.unharmedBy(async () => {
        await each(INJECTIONS, async (text) => {
          using phone = await target.intruder({ user: `${text}~`, password: 'guess-of-it', realm: REALM });
          expect((await register(phone, { contact: contact('me') })).status, text).toBe(403);
        });
      });
    },
    DEADLINE_MS,
  );

  test(
    'a valid user can put them into Contact, Call-ID and User-Agent; they concern that binding only',
    async () => {
      for (const text of INJECTIONS) {
        await target.unharmedBy(async () => {
          using phone = await target.intruder(MALLORY);
          const own = `<${phone.contact}>;x="${quoted(text)}"`;
          const answer = await register(phone, {
            contact: own,
            callId: text.replace(/[^\w'%*:?]/g, ''),
            headers: { 'User-Agent': text },
          });
          expect(answer.status, text).toBe(200);
          expect(headerOf(answer, 'Contact'), text).toBe(`${own};expires=30`);
          expect(smuggled(answer)).toEqual([]);
          expect((await register(phone, { contact: '*', expires: 0 })).status, text).toBe(200);
        });
      }
    },
    DEADLINE_MS,
  );

  test.each(named)(
    'the user $user registers, sees its own binding only and removes it',
    async (user) => {
      await target.unharmedBy(async () => {
        using phone = await target.intruder(user);
        const own = `<sip:me@${phone.contact.split('@').at(-1)}>`;
        expect((await register(phone, { contact: own })).status).toBe(200);
        expect(headerOf(await register(phone, { contact: null }), 'Contact')).toStartWith(`${own};`);
        expect((await register(phone, { contact: '*', expires: 0 })).status).toBe(200);
        expect(headerOf(await register(phone, { contact: null }), 'Contact')).toBeUndefined();
      });
    },
    DEADLINE_MS,
  );
});
