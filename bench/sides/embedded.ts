import { resolve } from 'node:path';
import { portOf } from '../lib/server.ts';
import { startSidecar } from '../lib/sidecar.ts';
import { type Side, versionOf } from './side.ts';

/** Enough to say why a sidecar did not start. */
export const MAX_LINES = 1000;

/** The compiled sidecar with its embedded edge and SQLite. */
export async function embedded(binary: string, users: number): Promise<Side> {
  const sidecar = await startSidecar(binary, {
    listen: ['udp'],
    users,
    env: { JAMBONES_LOGLEVEL: 'info' },
    maxLines: MAX_LINES,
  });
  return {
    name: 'sidecar, SQLite',
    target: { host: '127.0.0.1', port: portOf(sidecar, 'udp') },
    passwordPattern: 'secret%d',
    processes: [{ name: 'program', pid: sidecar.pid }],
    versions: { sidecar: await sidecarVersion(binary) },
  };
}

/** Version and commit, as the binary has them. */
export async function sidecarVersion(binary: string): Promise<string> {
  const version = await versionOf([resolve(binary), 'version'], /^Version: +(.*)$/m);
  const commit = await versionOf([resolve(binary), 'version'], /^Commit: +(.*)$/m);
  return `${version} (${commit})`;
}
