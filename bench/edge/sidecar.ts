import { join, resolve } from 'node:path';
import { requestOnce } from '../../src/admin/client.ts';
import type { EdgeStatus } from '../../src/admin/protocol.ts';
import { temporaryDirectory } from '../../test/support/cleanup.ts';
import { within } from '../../test/support/deadline.ts';
import { type SpawnedProcess, spawnProcess } from '../../test/support/process.ts';
import { PROTOCOLS, type Protocol } from './client.ts';

/** Provisioning tens of thousands of clients takes a while on a busy machine. */
const START_MS = 60_000;
/** A little longer than the sidecar's own grace for requests in flight. */
const STOP_MS = 8000;

export const REALM = 'sidecar.test';

/** A process with SIP listeners on free ports of 127.0.0.1. */
export interface Server {
  readonly name: string;
  readonly pid: number;
  readonly ports: Readonly<Partial<Record<Protocol, number>>>;
  /** What its process has printed, and its end. */
  readonly process: SpawnedProcess;
  stop(): Promise<void>;
}

export interface Tls {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Sidecar extends Server {
  readonly directory: string;
  /** What its edge holds now. @throws AdminError when it does not say */
  holding(): Promise<EdgeStatus>;
}

/** Starts the compiled sidecar, embedded, with the users user1/secret1 and so on. @throws when it does not start */
export async function startSidecar(
  binary: string,
  protocols: readonly Protocol[],
  { users, tls }: { users: number; tls?: Tls },
): Promise<Sidecar> {
  const directory = temporaryDirectory('sidecar');
  const provision = join(directory, 'provision.toml');
  await Bun.write(provision, provisioning(users));
  const args = [
    ...['serve', '--embedded', '--data', join(directory, 'data'), '--provision', provision],
    ...['--sip', protocols.map((protocol) => `${protocol}/127.0.0.1:0`).join()],
    ...(tls ? ['--tls-cert', tls.certFile, '--tls-key', tls.keyFile] : []),
  ];
  const socketPath = join(directory, 'admin.sock');
  const env = { SBC_SOCKET_PATH: socketPath, JAMBONES_LOGLEVEL: 'error' };
  const sidecar = spawnProcess(resolve(binary), args, { env, cwd: directory });
  const [row] = await sidecar.line(/^ +SIP +.*$/, START_MS);
  const holding = async () => {
    const { edge } = await requestOnce('status', {}, { socketPath });
    if (!edge) throw new Error('the sidecar has no edge of its own');
    return edge;
  };
  const about = { name: 'sidecar', pid: sidecar.pid, ports: portsIn(row), process: sidecar, directory };
  return { ...about, holding, stop: end(sidecar) };
}

/** Starts the same edge with bare drachtio-srf behind it, which answers 200. @throws when it does not start */
export async function startBare(protocols: readonly Protocol[], tls: Tls): Promise<Server> {
  const args = [join(import.meta.dir, 'bare.ts'), protocols.join(), tls.certFile, tls.keyFile];
  const bare = spawnProcess(process.execPath, args);
  const [row] = await bare.line(/^ready .*$/, START_MS);
  return { name: 'bare drachtio-srf', pid: bare.pid, ports: portsIn(row), process: bare, stop: end(bare) };
}

function end(child: SpawnedProcess): () => Promise<void> {
  return async () => {
    child.kill('SIGTERM');
    try {
      await within(child.exited, STOP_MS, 'end of the process');
    } finally {
      child.kill('SIGKILL');
    }
  };
}

function portsIn(row: string): Partial<Record<Protocol, number>> {
  const found = PROTOCOLS.map((protocol) => {
    const port = new RegExp(`(?:^|[ ,])${protocol}/127\\.0\\.0\\.1:([1-9]\\d*)`).exec(row)?.[1];
    return [protocol, port === undefined ? undefined : Number(port)] as const;
  });
  return Object.fromEntries(found.filter(([, port]) => port !== undefined));
}

function provisioning(users: number): string {
  const clients = Array.from({ length: users }, (_, i) => {
    return `[[account.client]]\nusername = "user${i + 1}"\npassword = "secret${i + 1}"\n`;
  });
  return `[[account]]\nrealm = "${REALM}"\n${clients.join('')}`;
}
