import { afterAll, describe, expect, test } from 'bun:test';
import { Nonces } from '../../src/digest/nonce.ts';
import type { SipAnswer } from '../../src/ports/sip-server.ts';
import { digestCredentials, type Phone, type RegisterFields, type User } from '../support/phone.ts';
import {
  ALICE,
  Attacked,
  MALLORY,
  NONCE_SECRET,
  OTHER_ALICE,
  OTHER_REALM,
  REALM,
  STORES,
  smuggled,
} from './attacked.ts';

// Attacks on the registration of another user. docs/attacks.md lists those that other files hold.

const DEADLINE_MS = 60_000;
const THIEF = '<sip:thief@198.51.100.1>';
/** One more second, so that a nonce from then has expired for certain. */
const TTL_MS = 301_000;

type Attack = (target: Attacked) => Promise<SipAnswer>;

/** One REGISTER from the intruder's address, with a Contact of the thief. */
function sent(user: User, fields: RegisterFields | ((target: Attacked) => RegisterFields)): Attack {
  return async (target) => {
    using phone = await target.intruder(user);
    return await phone.send({ contact: THIEF, ...(typeof fields === 'function' ? fields(target) : fields) });
  };
}

/** Answers the challenge for a user, but not as that user's phone would. */
function answered(user: User, fields: (phone: Phone, challenge: SipAnswer) => RegisterFields): Attack {
  return async (target) => {
    using phone = await target.intruder(user);
    return await phone.send({ contact: THIEF, ...fields(phone, await phone.send({ contact: THIEF })) });
  };
}

/** A nonce that a sidecar would have made when the clock differed from now. */
function nonceFrom(offsetMs: number, realm = REALM): string {
  return new Nonces(NONCE_SECRET, TTL_MS, { now: () => Date.now() + offsetMs }).create(realm);
}

/** The right password of Mallory for her own AOR: only the nonce is at fault. */
function withNonce(nonce: () => string): Attack {
  return sent(MALLORY, () => ({ authorization: digestCredentials(MALLORY, nonce()) }));
}

const replay = sent(ALICE, ({ captured }) => ({ authorization: captured }));

// A nonce is good for three wrong answers, so that at most three of these can be answered 403.
const replays: [string, number, Attack][] = [
  ['at the same sidecar', 401, replay],
  [
    'at another sidecar, if there is one',
    401,
    async (target) => {
      using phone = await target.intruder(ALICE, { at: target.another });
      return await phone.send({ contact: THIEF, authorization: target.captured });
    },
  ],
  [
    'over TCP',
    401,
    async (target) => {
      using phone = await target.intruder(ALICE, { protocol: 'tcp' });
      return await phone.send({ contact: THIEF, authorization: target.captured });
    },
  ],
  [
    'to remove the binding',
    401,
    sent(ALICE, ({ captured }) => ({ authorization: captured, contact: '*', expires: 0 })),
  ],
  ['to list the bindings', 401, sent(ALICE, ({ captured }) => ({ authorization: captured, contact: null }))],
  [
    'for the AOR of another user',
    403,
    sent(ALICE, ({ captured }) => ({ authorization: captured, to: `<sip:mallory@${REALM}>` })),
  ],
  [
    'for the same user of another account',
    401,
    sent(OTHER_ALICE, ({ captured }) => ({ authorization: captured.replaceAll(REALM, OTHER_REALM) })),
  ],
  [
    'with a higher nonce-count',
    403,
    sent(ALICE, ({ captured }) => ({ authorization: captured.replace('nc=00000001', 'nc=00000002') })),
  ],
  [
    'without its nonce-count, as by RFC 2069',
    403,
    sent(ALICE, ({ captured }) => ({ authorization: captured.replace(/, qop=.*/, '') })),
  ],
];

const forgeries: [string, number, Attack][] = [
  ['of no sidecar', 401, withNonce(() => Buffer.alloc(32, 7).toString('base64url'))],
  ['that is SQL', 401, withNonce(() => "x' OR 1=1; --")],
  ['that has expired', 401, withNonce(() => nonceFrom(-TTL_MS))],
  ['from a clock that is two minutes ahead', 401, withNonce(() => nonceFrom(120_000))],
  ['for another realm', 401, withNonce(() => nonceFrom(0, OTHER_REALM))],
  ['with a later time of its own', 401, withNonce(() => renewed(nonceFrom(-TTL_MS)))],
];

/** The nonce with the present time in place of its own (digest/nonce.ts). */
function renewed(nonce: string): string {
  const bytes = Buffer.from(nonce, 'base64url');
  bytes.writeUIntBE(Date.now(), 0, 6);
  return bytes.toString('base64url');
}

const credentials: [string, number, Attack][] = [
  [
    'of another user of the realm',
    403,
    answered(ALICE, (phone, challenge) => ({
      authorization: phone.answer(challenge, { username: 'mallory', password: MALLORY.password }),
    })),
  ],
  [
    'of another user, who is in From',
    403,
    answered(MALLORY, (phone, challenge) => ({
      authorization: phone.answer(challenge),
      to: `<sip:alice@${REALM}>`,
    })),
  ],
  [
    'of the same user of another account',
    401,
    sent(ALICE, () => ({ authorization: digestCredentials(OTHER_ALICE, nonceFrom(0, OTHER_REALM)) })),
  ],
  [
    'with the password of the same user of another account',
    403,
    answered(ALICE, (phone, challenge) => ({
      authorization: phone.answer(challenge, { password: OTHER_ALICE.password }),
    })),
  ],
  [
    'with an empty password',
    403,
    answered(ALICE, (phone, challenge) => ({ authorization: phone.answer(challenge, { password: '' }) })),
  ],
];

const unauthenticated: [string, number, Attack][] = [
  ['from the phone itself, with another Contact', 401, ({ alice }) => alice.send({ contact: THIEF })],
  [
    'from the phone itself, with one more Contact',
    401,
    ({ alice }) => alice.send({ contact: `<${alice.contact}>, ${THIEF}` }),
  ],
  ['from another address', 401, sent(ALICE, ({ alice }) => ({ contact: `<${alice.contact}>` }))],
  ['that removes the binding', 401, ({ alice }) => alice.send({ expires: 0 })],
  ['that removes all bindings', 401, ({ alice }) => alice.send({ contact: '*', expires: 0 })],
];

const breaks: [string, number, Attack][] = [
  ['escaped, in the AOR', 403, sent(ALICE, { to: `<sip:alice%0d%0aX-Evil:1@${REALM}>` })],
  ['as it is, in the AOR', 400, sent(ALICE, { to: `<sip:alice\r\nX-Evil: 1\r\n@${REALM}>` })],
  ['folded, in the AOR', 403, sent(ALICE, { to: `<sip:alice\r\n X-Evil: 1@${REALM}>` })],
  ['a bare LF in the AOR', 400, sent(ALICE, { to: `<sip:alice\nX-Evil: 1@${REALM}>` })],
  ['a NUL in the AOR', 400, sent(ALICE, { to: `<sip:alice\0@${REALM}>` })],
  ['escaped, in the Request-URI', 403, sent(ALICE, { uri: `sip:${REALM}%0d%0aX-Evil:1` })],
  ['as a quoted-pair in the display name of a Contact', 400, sent(ALICE, { contact: `"\\\r\\\nX-Evil: 1" ${THIEF}` })],
  [
    'as it is, in the user name of the credentials',
    401,
    answered(ALICE, (phone, challenge) => ({
      authorization: phone.answer(challenge, { username: 'alice\r\nX-Evil: 1\r\nX: ' }),
    })),
  ],
];

describe.each(STORES)('with %s', async (stores) => {
  const target = await Attacked.start(stores);
  afterAll(() => target.stop());

  test('a nonce with nothing wrong is granted, and that is seen in the store', async () => {
    const before = await target.stored();
    expect((await withNonce(() => nonceFrom(0))(target)).status).toBe(200);
    expect(await target.stored()).not.toEqual(before);
    using phone = await target.intruder(MALLORY);
    expect((await phone.register({ contact: '*', expires: 0 })).status).toBe(200);
  });

  describe.each([
    ['a captured Authorization header is worth nothing', replays],
    ['a forged nonce', forgeries],
    ['credentials', credentials],
    ['a refresh without credentials', unauthenticated],
    ['a line break', breaks],
  ])('%s:', (_, attacks) => {
    test.each(attacks)(
      '%s: %d',
      async (_what, status, attack) => {
        const answer = await target.unharmedBy(() => attack(target));
        expect(answer.status).toBe(status);
        expect(smuggled(answer)).toEqual([]);
      },
      DEADLINE_MS,
    );
  });
});

test.each(STORES)(
  'a captured Authorization header is worth nothing after a restart, with %s',
  async (stores) => {
    const target = await Attacked.start(stores);
    await target.restart();
    const answer = await target.unharmedBy(() => replay(target));
    expect(answer.status).toBe(401);
    await target.stop();
  },
  DEADLINE_MS,
);
