import { printable } from '../../lib/text.ts';

export const SERVER = {
  server: { type: 'positional', required: true, valueHint: 'ip', description: 'server IP address' },
} as const;

/** The output of drain and undrain, which scripts parse. */
export function outcome(done: 'Drained' | 'Undrained', server: string, drained: readonly string[]): string {
  return `✓ ${done} ${printable(server)}\nDrained servers: [${printable(drained.join(', '))}]`;
}

/** For an operator who looks for feature servers here. @param count members of fsUUIDs */
export function kubernetesLine(count: number): string {
  return `No feature server checks in: ${count} run in Kubernetes (fsUUIDs), which drains them itself`;
}

export function bulleted(title: string, servers: readonly string[]): string {
  return [title, ...servers.map((server) => `  ${printable(server)}`)].join('\n');
}

/** The ip of `ip`, `ip:port`, `[ip]` or `[ip]:port`. */
export function ipOf(server: string): string {
  const bracketed = /^\[(.+)\](?::\d+)?$/.exec(server)?.[1];
  if (bracketed !== undefined) return bracketed;
  const parts = server.split(':');
  return parts.length === 2 ? (parts[0] ?? server) : server;
}
