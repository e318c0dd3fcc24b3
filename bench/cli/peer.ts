import type { Success } from '../../src/admin/protocol.ts';

export function serverListLine(count: number): string {
  const now = Date.now();
  const servers = Array.from({ length: count }, (_, i) => ({
    server: `10.0.0.${i + 1}:5060`,
    status: 'active' as const,
    calls: i,
    lastCheckIn: now - i * 1000,
    serviceUrl: `http://10.0.0.${i + 1}:3000`,
  }));
  const answer: Success<'fs-list'> = { success: true, servers, drained: [], now };
  return `${JSON.stringify(answer)}\n`;
}
