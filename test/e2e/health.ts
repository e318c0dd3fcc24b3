import { expect } from 'bun:test';
import type { Status } from '../../src/admin/protocol.ts';
import type { Mariadb } from '../support/mariadb.ts';
import type { User } from '../support/phone.ts';
import type { SpawnedProcess } from '../support/process.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { request } from '../support/sip-request.ts';
import { UdpPeer } from '../support/wire.ts';
import { cli, ENCRYPTION_SECRET, type RunningSidecar } from './sidecar.ts';

/** For what an outage takes a few seconds to bring about. */
export const DEADLINE_MS = 20_000;

/** {@link health} when all is well. */
export const UP = { readiness: 'ready', code: 0, sip: 'up', store: 'up', database: 'up' };

/** A user in an account of its own. */
export async function newUser(database: Mariadb): Promise<User> {
  const realm = `${crypto.randomUUID()}.example.com`;
  const accountSid = await insertAccount(database, { realm });
  await insertClient(database, { accountSid, username: 'alice', password: 'wonderland', secret: ENCRYPTION_SECRET });
  return { user: 'alice', password: 'wonderland', realm };
}

/** Readiness, the state of each dependency, and the exit code, as `status` tells them. */
export async function health(sidecar: { readonly socketPath: string }): Promise<Record<string, unknown>> {
  const { code, stdout } = await cli(sidecar, 'status', '--json');
  const { readiness, dependencies }: Status = JSON.parse(stdout);
  return { readiness, code, ...Object.fromEntries(dependencies.map(({ role, state }) => [role, state])) };
}

/** The log lines of warnings and errors since line `from`, those that match. */
export function complaints({ lines }: SpawnedProcess, from: number, pattern = /./): string[] {
  return lines
    .slice(from)
    .filter((line) => line.startsWith('{') && pattern.test(line))
    .map((line): { level: number; msg: string } => JSON.parse(line))
    .filter(({ level }) => level >= 40)
    .map(({ msg }) => msg);
}

/** An outage is one line, and work in the background that it stops is one line for each kind. */
export function isLoggedOnce(outage: string, complaints: readonly string[]): void {
  expect(complaints).toContain(outage);
  expect(complaints).toEqual([...new Set(complaints)]);
}

/** A feature or RTP server checks in. @returns version and status of the response */
export async function checkIn({ sip }: RunningSidecar, kind: 'FS' | 'RTP'): Promise<string> {
  using server = await UdpPeer.open();
  server.send(request('OPTIONS', `UDP 127.0.0.1:${server.port}`, { extra: `X-${kind}-Status: open\r\n` }), sip.port);
  return (await server.next('an answer to the check-in')).slice(0, 'SIP/2.0 200'.length);
}
