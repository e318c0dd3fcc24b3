import type { FeatureServers } from '../../admin/protocol.ts';
import { ipOf } from './server.ts';

/** The state of a drained server. `calls` is null when unknown for one of its members. */
export type DrainState =
  /** It had calls at its last check-in, or has not checked in since the drain. */
  | { readonly state: 'busy'; readonly calls: number | null }
  | { readonly state: 'empty' }
  /** No member checks in; `before`: one did earlier in the wait. */
  | { readonly state: 'silent'; readonly before: boolean }
  | { readonly state: 'undrained' };

/**
 * Finds out from successive server lists whether a drained server still has calls. Only check-ins after the first list
 * count, because a call may have started between an earlier one and the drain. Compares check-in times only with each
 * other: they may be by the clock of another sidecar.
 */
export class DrainTracker {
  /** The first known check-in time of each member. Bounded by the ports of one ip. */
  readonly #first = new Map<string, number | null>();
  readonly #ip: string;

  /** @param server as named in the answer to the drain */
  constructor(server: string) {
    this.#ip = ipOf(server);
  }

  /** @param restarted whether the sidecar restarted lately, so that members may be missing */
  update({ servers }: Pick<FeatureServers, 'servers'>, restarted: boolean): DrainState {
    const members = servers.filter(({ server, status }) => status !== 'orphaned' && ipOf(server) === this.#ip);
    if (members.some(({ status }) => status === 'active')) return { state: 'undrained' };
    for (const { server, lastCheckIn } of members) if (!this.#first.has(server)) this.#first.set(server, lastCheckIn);
    const missing = [...this.#first.keys()].some((known) => members.every(({ server }) => server !== known));
    if (restarted && missing) return { state: 'busy', calls: null };
    if (members.length === 0) return { state: 'silent', before: this.#first.size > 0 };
    const checkedIn = members.every(({ server, lastCheckIn }) => lastCheckIn !== this.#first.get(server));
    const calls = members.reduce(
      (sum: number | null, m) => (sum === null || m.calls === null ? null : sum + m.calls),
      0,
    );
    return checkedIn && calls === 0 ? { state: 'empty' } : { state: 'busy', calls };
  }
}
