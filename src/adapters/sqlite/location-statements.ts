import type { Database } from 'bun:sqlite';

/** The statements of the location service, prepared. */
export function locationStatements(db: Database) {
  return {
    bindings: db.query<{ json: string }, [string]>('SELECT json FROM bindings WHERE aor = ?'),
    setBinding: db.query('INSERT OR REPLACE INTO bindings (aor, key, json) VALUES (?, ?, ?)'),
    deleteBinding: db.query('DELETE FROM bindings WHERE aor = ? AND key = ?'),
    deleteBindings: db.query('DELETE FROM bindings WHERE aor = ?'),
    aor: db.query<{ realm: string }, [string]>('SELECT realm FROM aors WHERE aor = ?'),
    setAor: db.query('INSERT OR REPLACE INTO aors (aor, realm, expiry) VALUES (?, ?, ?)'),
    deleteAor: db.query('DELETE FROM aors WHERE aor = ?'),
    expiredAors: db.query<{ aor: string; realm: string }, [number, number]>(
      'SELECT aor, realm FROM aors WHERE expiry <= ? LIMIT ?',
    ),
    expiredInRealm: db.query<{ aors: number }, [number, string]>(
      'SELECT count(*) AS aors FROM aors WHERE expiry <= ? AND realm = ?',
    ),
    realm: db.query<{ aors: number }, [string]>('SELECT aors FROM realms WHERE realm = ?'),
    addToRealm: db.query(
      'INSERT INTO realms (realm, aors) VALUES (?1, ?2) ON CONFLICT (realm) DO UPDATE SET aors = aors + ?2',
    ),
    nonce: db.query<{ count: number }, [string]>('SELECT count FROM nonces WHERE id = ?'),
    setNonce: db.query('INSERT OR REPLACE INTO nonces (id, count, expiry) VALUES (?, ?, ?)'),
    sweepNonces: db.query('DELETE FROM nonces WHERE id IN (SELECT id FROM nonces WHERE expiry <= ? LIMIT ?)'),
  };
}
