import type { Database } from 'bun:sqlite';
import type { TrunkContact, TrunkContacts } from '../../ports/trunk-contacts.ts';
import { guarded } from './guarded.ts';

export class SqliteTrunkContacts implements TrunkContacts {
  constructor(private readonly database: Database) {}

  async read(): Promise<ReadonlyMap<string, TrunkContact>> {
    const rows = guarded(() =>
      this.database
        .query<TrunkContact & { sid: string }, []>(
          'SELECT sip_gateway_sid AS sid, contact, until, registrar FROM trunk_contacts',
        )
        .all(),
    );
    return new Map(rows.map(({ sid, ...contact }) => [sid, contact]));
  }

  async save(gatewaySid: string, { contact, until, registrar }: TrunkContact): Promise<void> {
    guarded(() =>
      this.database
        .query('INSERT OR REPLACE INTO trunk_contacts (sip_gateway_sid, contact, until, registrar) VALUES (?, ?, ?, ?)')
        .run(gatewaySid, contact, until, registrar),
    );
  }

  async remove(gatewaySid: string): Promise<void> {
    guarded(() => this.database.query('DELETE FROM trunk_contacts WHERE sip_gateway_sid = ?').run(gatewaySid));
  }
}
