import { expect, test } from 'bun:test';
import { startKamailio } from './kamailio.ts';
import { waitForPort } from './net.ts';
import { headerOf, Phone, registerOnce } from './phone.ts';

test('a right password is accepted and the contact shown; a wrong one is challenged again', async () => {
  const kamailio = await startKamailio({ realm: 'sip.test', users: { alice: 'wonderland', bob: 'the-builder' } });
  const alice = { user: 'alice', password: 'wonderland', realm: 'sip.test' };
  expect((await registerOnce(kamailio, { ...alice, password: 'a-wrong-guess' })).status).toBe(401);
  expect((await registerOnce(kamailio, { ...alice, user: 'eve' })).status).toBe(401);
  expect(await kamailio.contacts()).toEqual([]);

  const phone = await Phone.open(kamailio, alice);
  const accepted = await phone.register({ expires: 3600 });
  expect(accepted.status).toBe(200);
  expect(headerOf(accepted, 'Contact')).toContain('expires=600');
  const bob = await Phone.open(kamailio, { user: 'bob', password: 'the-builder', realm: 'sip.test' });
  expect(headerOf(await bob.register({ expires: 30 }), 'Contact')).toContain('expires=60');
  const contacts = await kamailio.contacts();
  expect(contacts.toSorted((a, b) => a.user.localeCompare(b.user))).toMatchObject([
    { user: 'alice', contact: phone.contact, cseq: 2 },
    { user: 'bob', contact: bob.contact, cseq: 2 },
  ]);
  expect(contacts.every(({ expires, callId }) => expires > 50 && expires <= 600 && callId !== '')).toBe(true);
  expect((await phone.register({ expires: 0 })).status).toBe(200);
  expect(await kamailio.contacts()).toHaveLength(1);

  await kamailio.stop();
  await expect(waitForPort(kamailio.host, kamailio.port, 50)).rejects.toThrow();
  await kamailio.start();
  expect(await kamailio.contacts()).toEqual([]);
  phone.close();
  bob.close();
}, 30_000);

test('what could change its script is refused', async () => {
  await expect(startKamailio({ realm: 'sip.test', users: { alice: 'x"; exit; "' } })).rejects.toThrow('not fit');
});
