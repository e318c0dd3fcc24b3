import type { Update } from '../../src/ports/location.ts';

export const DURABLE_REALM = 'durable.example.com';

/** Registers the one Contact of an AOR; `cseq` tells a later update from an earlier one. */
export function registration(user: string, cseq: number): Update {
  const contact = `sip:${user}@192.0.2.1:5060`;
  const now = Date.now();
  return {
    aor: { user, realm: DURABLE_REALM },
    accountRealm: DURABLE_REALM,
    callId: user,
    cseq,
    save: [
      {
        key: contact,
        uri: contact,
        contact,
        contactParams: '',
        callId: user,
        cseq,
        protocol: 'udp',
        proxy: 'sip:192.0.2.1:5060',
        sbcAddress: 'udp/10.0.0.1:5060',
        privateSbcAddress: '10.0.0.1:5060',
        grant: { allowDirectAppCalling: true, allowDirectQueueCalling: true, allowDirectUserCalling: true },
        expiryTime: now + 600_000,
        savedAt: now,
      },
    ],
    remove: [],
    maxContacts: 1,
  };
}
