import { describe, expect, test } from 'bun:test';
import type { TrunkContact, TrunkContacts } from '../../src/ports/trunk-contacts.ts';

const CONTACT: TrunkContact = {
  contact: 'sip:line@192.0.2.1:5060;transport=udp',
  until: 1_800_000_000_123,
  registrar: 'sip:carrier.example line@carrier.example',
};

/** @param open the contacts of a new cluster */
export function trunkContactsContract(name: string, open: () => TrunkContacts): void {
  describe(`trunk contacts on ${name}`, () => {
    test('are read as they were saved, the last of each gateway', async () => {
      const contacts = open();
      expect([...(await contacts.read())]).toEqual([]);
      await contacts.save('a', CONTACT);
      await contacts.save('b', { ...CONTACT, contact: 'sip:"ü"@b' });
      const later = { ...CONTACT, until: CONTACT.until + 1 };
      await contacts.save('a', later);
      const read = await contacts.read();
      expect(read.get('a')).toEqual(later);
      expect(read.get('b')).toEqual({ ...CONTACT, contact: 'sip:"ü"@b' });
      expect(read.size).toBe(2);
    });

    test('are removed one by one, and an unknown one without an error', async () => {
      const contacts = open();
      await contacts.save('a', CONTACT);
      await contacts.save('b', CONTACT);
      await contacts.remove('a');
      await contacts.remove('c');
      expect([...(await contacts.read()).keys()]).toEqual(['b']);
    });
  });
}
