import type { SystemAlerts } from '../ports/alerts.ts';
import type { Readiness } from './readiness.ts';

/** Reports when this sidecar becomes ready, when it no longer is, and that it stops. */
export class ReadinessWatch {
  #reported: 'ONLINE' | 'OFFLINE' | undefined;
  #stopping = false;

  constructor(
    private readonly readiness: () => Readiness,
    private readonly alerts: SystemAlerts,
  ) {}

  /** To be called whenever the readiness may have changed. */
  update(): void {
    if (this.#stopping) return;
    const { state, why } = this.readiness();
    const isOnline = state !== 'not ready';
    if (isOnline === (this.#reported === 'ONLINE') || (!isOnline && this.#reported === undefined)) return;
    this.#reported = isOnline ? 'ONLINE' : 'OFFLINE';
    const now = isOnline ? 'is ready' : `is not ready: ${why}`;
    this.alerts.report({ state: this.#reported, detail: `sbc-sip-sidecar with process id ${process.pid} ${now}` });
  }

  stopping(): void {
    this.#stopping = true;
    const detail = `sbc-sip-sidecar with process id ${process.pid} stops`;
    this.alerts.report({ state: 'SHUTDOWN_IN_PROGRESS', detail });
  }
}
