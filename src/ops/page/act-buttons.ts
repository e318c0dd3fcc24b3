import type { BindingRow, FeatureServerRow } from '../../admin/protocol.ts';
import { confirmed, say } from './acts.ts';
import { type Client, RefusedRequest } from './client.ts';
import type { Cell } from './table.ts';

/** HTTP status of an action that the sidecar refuses as things stand. */
const CONFLICT = 409;

/** The buttons of those who may act; no cell without them. */
export class Acts {
  /** Whether the operator may act. */
  isAllowed = false;

  /** @param done called after an act */
  constructor(
    private readonly client: Client,
    private readonly done: () => void,
  ) {}

  drain({ server, status }: FeatureServerRow): Cell | undefined {
    if (!this.isAllowed) return undefined;
    return status === 'active'
      ? { text: 'Drain', onClick: () => void this.#drain(server) }
      : { text: 'Undrain', onClick: () => void this.#undrain(server) };
  }

  clearBan(source: string): Cell | undefined {
    if (!this.isAllowed) return undefined;
    return { text: 'Lift', onClick: () => void this.#clearBan(source) };
  }

  remove(binding: BindingRow): Cell | undefined {
    if (!this.isAllowed) return undefined;
    return { text: 'Remove', onClick: () => void this.#remove(binding) };
  }

  async #drain(server: string): Promise<void> {
    const text = 'It gets no new calls; those in progress go on.';
    if (!(await confirmed(`Drain ${server}?`, text, 'Drain'))) return;
    await this.#try(async () => {
      try {
        await this.client.act('fs-drain', { server, force: false });
      } catch (error) {
        if (!(error instanceof RefusedRequest) || error.status !== CONFLICT) throw error;
        if (!(await confirmed(`Drain ${server} all the same?`, error.message, 'Drain all the same'))) return undefined;
        await this.client.act('fs-drain', { server });
      }
      return `${server} is drained`;
    });
  }

  async #undrain(server: string): Promise<void> {
    await this.#try(async () => {
      await this.client.act('fs-undrain', { server });
      return `${server} is in service again`;
    });
  }

  async #clearBan(source: string): Promise<void> {
    if (!(await confirmed(`Lift the ban of ${source}?`, 'Its score is reset, at every sidecar.', 'Lift'))) return;
    await this.#try(async () => {
      const { lifted } = await this.client.act('ban-clear', { ip: source });
      return lifted.length > 0 ? `${source} is no longer banned` : `${source} was not banned`;
    });
  }

  async #remove({ aor, contact }: BindingRow): Promise<void> {
    const text = `Contact ${contact}. The phone is not informed, and comes back with its next REGISTER.`;
    if (!(await confirmed(`Remove a binding of ${aor}?`, text, 'Remove'))) return;
    await this.#try(async () => {
      await this.client.act('reg-remove', { aor, contact });
      return `a binding of ${aor} is removed`;
    });
  }

  /** @param act returns what to say; undefined when the operator changed their mind */
  async #try(act: () => Promise<string | undefined>): Promise<void> {
    try {
      const text = await act();
      if (text !== undefined) say(text);
    } catch (error) {
      say(error instanceof Error ? error.message : String(error), true);
    }
    this.done();
  }
}
