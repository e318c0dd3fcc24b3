import type { RowDataPacket } from 'mysql2/promise';
import type { RegisterStatus } from '../../src/ports/carriers.ts';
import { eventually } from './eventually.ts';
import type { Mariadb } from './mariadb.ts';
import { searchForSecrets, secret } from './secrets.ts';

/** The register_password of carriers, unless another is given. */
export const CARRIER_PASSWORD = 'open-the-trunk';

type Columns = Readonly<Record<string, string | number | null>>;

/** A carrier in MariaDB with its gateways. */
export interface Carrier {
  readonly sid: string;
  /** Their sids, in the order given. */
  readonly gateways: readonly string[];
  /** Updates columns of the carrier. */
  set(columns: Columns): Promise<void>;
  row(): Promise<RowDataPacket>;
  /** The register_status column. */
  status(): Promise<RegisterStatus | undefined>;
  /** Resolves when its status has these fields: it is written after the registration. */
  hasStatus(expected: Partial<RegisterStatus>): Promise<void>;
  /** Deletes the carrier and its gateways. */
  remove(): Promise<void>;
}

/**
 * Inserts a carrier that requires registration as `line`, with outbound gateways; `columns` and `gateways` override and
 * complete the rows. Every sidecar on this database acts on it: remove it after the test.
 */
export async function insertCarrier(
  { pool }: Mariadb,
  columns: Columns,
  ...gateways: readonly Columns[]
): Promise<Carrier> {
  const sid = crypto.randomUUID();
  const sids = gateways.map(({ sip_gateway_sid }) => String(sip_gateway_sid ?? crypto.randomUUID()));
  for (const [i, gateway] of gateways.entries())
    await pool.query('INSERT INTO sip_gateways SET ?', [
      { voip_carrier_sid: sid, outbound: 1, ...gateway, sip_gateway_sid: sids[i] },
    ]);
  const register = { requires_register: 1, register_username: 'line', register_password: CARRIER_PASSWORD };
  registerSecretsOf({ ...register, ...columns });
  await pool.query('INSERT INTO voip_carriers SET ?', [{ voip_carrier_sid: sid, name: sid, ...register, ...columns }]);
  const row = async () => {
    const [[found]] = await pool.query<RowDataPacket[]>('SELECT * FROM voip_carriers WHERE voip_carrier_sid = ?', [
      sid,
    ]);
    if (!found) throw new Error(`carrier ${sid} is not there`);
    return found;
  };
  const status = async (): Promise<RegisterStatus | undefined> => {
    const { register_status } = await row();
    searchForSecrets('register_status', [String(register_status)]);
    return typeof register_status === 'string' ? JSON.parse(register_status) : undefined;
  };
  return {
    sid,
    gateways: sids,
    row,
    async set(changes) {
      registerSecretsOf(changes);
      await pool.query('UPDATE voip_carriers SET ? WHERE voip_carrier_sid = ?', [changes, sid]);
    },
    status,
    async hasStatus(expected) {
      let seen: RegisterStatus | undefined;
      const matches = async () => {
        seen = await status();
        return (seen && Bun.deepMatch(expected, seen)) || undefined;
      };
      await eventually(`status ${JSON.stringify(expected)}`, matches, { describe: () => seen });
    },
    async remove() {
      await pool.query('DELETE FROM sip_gateways WHERE voip_carrier_sid = ?', [sid]);
      await pool.query('DELETE FROM voip_carriers WHERE voip_carrier_sid = ?', [sid]);
    },
  };
}

function registerSecretsOf({ register_password: password }: Columns): void {
  if (typeof password === 'string' && password !== '') secret('register_password', password);
}
