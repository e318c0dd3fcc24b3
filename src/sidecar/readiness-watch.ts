import { defined } from '../lib/defined.ts';
import type { SystemAlerts } from '../ports/alerts.ts';
import type { Events } from '../ports/events.ts';
import type { Readiness } from './readiness.ts';

/** Reports when this sidecar becomes ready, when it no longer is, and that it stops. */
export class ReadinessWatch {
  #reported: 'ONLINE' | 'OFFLINE' | undefined;
  #state: Readiness['state'] = 'not ready';
  #stopping = false;

  constructor(
    private readonly readiness: () => Readiness,
    private readonly alerts: SystemAlerts,
    private readonly events: Events,
  ) {}

  /** To be called whenever the readiness may have changed. */
  update(): void {
    if (this.#stopping) return;
    const { state, why } = this.readiness();
    if (state !== this.#state) this.events.emit(defined({ type: 'readiness', state, why }));
    this.#state = state;
    const isOnline = state !== 'not ready';
    if (isOnline === (this.#reported === 'ONLINE') || (!isOnline && this.#reported === undefined)) return;
    this.#reported = isOnline ? 'ONLINE' : 'OFFLINE';
    const now = isOnline ? 'is ready' : `is not ready: ${why}`;
    this.alerts.report({ state: this.#reported, detail: `sbc-sip-sidecar with process id ${process.pid} ${now}` });
  }

  stopping(): void {
    this.#stopping = true;
    this.events.emit({ type: 'readiness', state: 'not ready', why: 'stopping' });
    const detail = `sbc-sip-sidecar with process id ${process.pid} stops`;
    this.alerts.report({ state: 'SHUTDOWN_IN_PROGRESS', detail });
  }
}
