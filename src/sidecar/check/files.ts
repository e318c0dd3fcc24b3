import { accessSync, constants } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { DataError } from '../../adapters/sqlite/data-error.ts';
import { inspectData } from '../../adapters/sqlite/inspect.ts';
import { AdminSocketError, listenerAt } from '../../admin/socket-claim.ts';
import type { Config } from '../../config/index.ts';
import { currentUser } from '../../lib/user.ts';
import { ProvisionError, readProvisioning } from '../../provision/file.ts';
import { type Finding, note, ok, warning, wrong } from './finding.ts';

/** WAL and database grow by some megabytes between checkpoints. */
const LOW_SPACE_BYTES = 64 * 1024 * 1024;

/** @returns also whether a sidecar listens there */
export async function checkAdminSocket(path: string): Promise<{ running: boolean; findings: Finding[] }> {
  const refused = (why: string) => ({ running: false, findings: [wrong(why)] });
  const directory = dirname(resolve(path));
  try {
    const owner = await listenerAt(path);
    if (owner !== undefined)
      return { running: true, findings: [note(`admin socket ${path} is used by a running sidecar (${owner})`)] };
    accessSync(directory, constants.W_OK | constants.X_OK);
    return { running: false, findings: [] };
  } catch (error) {
    if (error instanceof AdminSocketError) return refused(error.message);
    const why = `its directory is not writable for user ${currentUser()}; set SBC_SOCKET_PATH`;
    return refused(`admin socket ${path}: ${why}`);
  }
}

export function checkProvisioning({ parts, embedded }: Config): Finding[] {
  if (parts.directory !== 'sqlite' || embedded.provision === '') return [];
  try {
    const { accounts, carriers } = readProvisioning(embedded.provision);
    const what = `${accounts.length} accounts, ${carriers.length} carriers`;
    return [ok(`provisioning file ${embedded.provision}: ${what}`)];
  } catch (error) {
    if (!(error instanceof ProvisionError)) throw error;
    return error.message.split('\n').map(wrong);
  }
}

/** @returns also whether a running sidecar has the directory */
export function checkData({ parts, encryptionSecret, secrets, embedded }: Config): {
  inUse: boolean;
  findings: Finding[];
} {
  if (parts.store !== 'sqlite' && parts.directory !== 'sqlite' && encryptionSecret !== undefined)
    return { inUse: false, findings: [] };
  try {
    const { path, state, holder, freeBytes } = inspectData(embedded.data, {
      given: encryptionSecret,
      legacy: secrets.legacyCrypto,
      replaced: embedded.provision !== '' || parts.directory !== 'sqlite',
    });
    const findings: Finding[] = [];
    if (holder !== undefined) findings.push(note(`data directory ${path} is used by a running sidecar (${holder})`));
    else findings.push(ok(`data directory ${path} ${state === 'missing' ? 'can be created' : 'can be used'}`));
    if (freeBytes < LOW_SPACE_BYTES)
      findings.push(warning(`data directory ${path}: ${Math.floor(freeBytes / 1024)} KiB free; free some space`));
    return { inUse: holder !== undefined, findings };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { inUse: false, findings: [wrong(error.message)] };
  }
}
