import { join } from 'node:path';
import { portOf, type Server, startServer, type TlsFiles } from '../lib/server.ts';
import type { Side } from './side.ts';

const READY = /^ready .*$/;

/** The edge with handlers that answer at once: over UDP, or with a certificate over all transports. */
export function startBareEdge(tls?: TlsFiles): Promise<Server> {
  const flags = tls ? ['--cert', tls.certFile, '--key', tls.keyFile] : ['--listen', 'udp'];
  return startServer('bare edge', [process.execPath, join(import.meta.dir, 'bare-edge.ts'), ...flags], READY);
}

export async function bareEdge(): Promise<Side> {
  return sideOf('edge, bare handler', await startBareEdge());
}

export async function bareResponder(): Promise<Side> {
  const script = join(import.meta.dir, 'responder.ts');
  return sideOf('UDP echo in Bun', await startServer('responder', [process.execPath, script], READY));
}

function sideOf(name: string, server: Server): Side {
  return {
    name,
    target: { host: '127.0.0.1', port: portOf(server, 'udp') },
    passwordPattern: 'any',
    processes: [{ name: 'program', pid: server.pid }],
    versions: {},
  };
}
