import type { FeatureServers } from '../../admin/protocol.ts';
import { ipOf } from './server.ts';

/** How a drained server stands. `calls` is null when one of its members did not say how many. */
export type Standing =
  /** Calls were there at its last check-in, or it has not checked in since the drain. */
  | { readonly state: 'busy'; readonly calls: number | null }
  | { readonly state: 'empty' }
  /** No member of it checks in; `before` when one did, earlier in the wait. */
  | { readonly state: 'silent'; readonly before: boolean }
  | { readonly state: 'undrained' };

/**
 * Judges, look by look at the list of servers, whether a drained one has come to an end with its calls. A check-in counts
 * only when it came after the first look: what was said before the drain may have been overtaken by a new call. It is
 * recognised by its time having changed, not by a clock: another sidecar of the cluster may have taken it.
 */
export class Emptying {
  /** When each member had checked in last, at the first look at it. Bounded by the ports of one ip. */
  readonly #before = new Map<string, number | null>();
  readonly #ip: string;

  /** @param server as the sidecar's answer to the drain names it */
  constructor(server: string) {
    this.#ip = ipOf(server);
  }

  /** @param restarted the sidecar was away a moment ago: it may not have heard of every member yet */
  look({ servers }: Pick<FeatureServers, 'servers'>, restarted: boolean): Standing {
    const members = servers.filter(({ server, status }) => status !== 'orphaned' && ipOf(server) === this.#ip);
    if (members.some(({ status }) => status === 'active')) return { state: 'undrained' };
    for (const { server, lastCheckIn } of members) if (!this.#before.has(server)) this.#before.set(server, lastCheckIn);
    const missing = [...this.#before.keys()].some((known) => members.every(({ server }) => server !== known));
    if (restarted && missing) return { state: 'busy', calls: null };
    if (members.length === 0) return { state: 'silent', before: this.#before.size > 0 };
    const heard = members.every(({ server, lastCheckIn }) => lastCheckIn !== this.#before.get(server));
    const calls = members.reduce(
      (sum: number | null, m) => (sum === null || m.calls === null ? null : sum + m.calls),
      0,
    );
    return heard && calls === 0 ? { state: 'empty' } : { state: 'busy', calls };
  }
}
