import { join, resolve } from 'node:path';
import { requestOnce } from '../../src/admin/client.ts';
import type { EdgeStatus } from '../../src/admin/protocol.ts';
import { temporaryDirectory } from '../../test/support/cleanup.ts';
import type { Protocol } from './client.ts';
import { type Server, startServer, type TlsFiles } from './server.ts';

export const REALM = 'sidecar.test';

export interface Sidecar extends Server {
  readonly dataDirectory: string;
  readonly socketPath: string;
  /** The first few lines logged at level warn or above. */
  complaints(): string[];
}

export interface SidecarOptions {
  readonly listen: readonly Protocol[];
  /** Default: any that is free. */
  readonly port?: number;
  /** Clients of the account: user1 with password secret1, and so on. None: no provisioning file. */
  readonly users?: number;
  /** URL; the account has it in place of clients. */
  readonly webhook?: string;
  readonly tls?: TlsFiles;
  readonly env?: Readonly<Record<string, string>>;
  /** Of its output that are kept: a load logs a line for each registration. By default all of a test. */
  readonly maxLines?: number;
}

const MAX_COMPLAINTS = 5;
const PINO_WARN = 40;

/** Starts the compiled sidecar with its embedded edge. @throws when it does not start, with the last lines printed */
export async function startSidecar(binary: string, options: SidecarOptions): Promise<Sidecar> {
  const { listen, port = 0, users = 0, webhook, tls, env } = options;
  const directory = temporaryDirectory('bench');
  const socketPath = join(directory, 'admin.sock');
  const dataDirectory = join(directory, 'data');
  const sip = listen.map((protocol) => `${protocol}/127.0.0.1:${port}`).join();
  const args = ['serve', '--embedded', '--sip', sip, '--data', dataDirectory];
  if (tls) args.push('--tls-cert', tls.certFile, '--tls-key', tls.keyFile);
  if (webhook !== undefined || users > 0) {
    const provision = join(directory, 'provision.toml');
    await Bun.write(provision, provisioning(users, webhook));
    args.push('--provision', provision);
  }
  const server = await startServer('sidecar', [resolve(binary), ...args], /^ +SIP +.*$/, {
    env: { ...env, SBC_SOCKET_PATH: socketPath },
    cwd: directory,
    ...(options.maxLines !== undefined && { maxLines: options.maxLines }),
  });
  return { ...server, dataDirectory, socketPath, complaints: () => complaintsIn(server.process.lines) };
}

/** What the sidecar's edge holds now. @throws AdminError when the sidecar does not answer */
export async function edgeStatus({ socketPath }: Sidecar): Promise<EdgeStatus> {
  const { edge } = await requestOnce('status', {}, { socketPath });
  if (!edge) throw new Error('the sidecar has no embedded edge');
  return edge;
}

function complaintsIn(lines: readonly string[]): string[] {
  const isComplaint = (line: string) => Number(/"level":(\d+)/.exec(line)?.[1] ?? 0) >= PINO_WARN;
  return lines.filter(isComplaint).slice(0, MAX_COMPLAINTS);
}

function provisioning(users: number, webhook: string | undefined): string {
  const account = `[[account]]\nrealm = "${REALM}"\n`;
  if (webhook !== undefined) return `${account}[account.webhook]\nurl = "${webhook}"\nsecret = "secret-of-the-bench"\n`;
  const clients = Array.from({ length: users }, (_, i) => {
    return `[[account.client]]\nusername = "user${i + 1}"\npassword = "secret${i + 1}"\n`;
  });
  return `${account}${clients.join('')}`;
}
