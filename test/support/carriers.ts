import type { RowDataPacket } from 'mysql2/promise';
import type { RegisterStatus } from '../../src/ports/carriers.ts';
import type { Mariadb } from './mariadb.ts';

type Columns = Readonly<Record<string, string | number | null>>;

/** A carrier of MariaDB with its gateways. */
export interface Carrier {
  readonly sid: string;
  /** The sids of its gateways, in the order in which they were given. */
  readonly gateways: readonly string[];
  /** Changes columns of its row. */
  set(columns: Columns): Promise<void>;
  /** Its row as it is. */
  row(): Promise<RowDataPacket>;
  /** What is in register_status; undefined before anything is. */
  status(): Promise<RegisterStatus | undefined>;
  /** Removes it and its gateways. */
  remove(): Promise<void>;
}

/**
 * Puts a carrier into MariaDB that registers as `line` unless its columns say otherwise, with outbound gateways of which
 * address and port are to be given. Every sidecar on that database acts on it: remove it when the test is over.
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
  const register = { requires_register: 1, register_username: 'line', register_password: 'pass' };
  await pool.query('INSERT INTO voip_carriers SET ?', [{ voip_carrier_sid: sid, name: sid, ...register, ...columns }]);
  const row = async () => {
    const [[found]] = await pool.query<RowDataPacket[]>('SELECT * FROM voip_carriers WHERE voip_carrier_sid = ?', [
      sid,
    ]);
    if (!found) throw new Error(`carrier ${sid} is not there`);
    return found;
  };
  return {
    sid,
    gateways: sids,
    row,
    async set(changes) {
      await pool.query('UPDATE voip_carriers SET ? WHERE voip_carrier_sid = ?', [changes, sid]);
    },
    async status() {
      const { register_status } = await row();
      return typeof register_status === 'string' ? JSON.parse(register_status) : undefined;
    },
    async remove() {
      await pool.query('DELETE FROM sip_gateways WHERE voip_carrier_sid = ?', [sid]);
      await pool.query('DELETE FROM voip_carriers WHERE voip_carrier_sid = ?', [sid]);
    },
  };
}
