/** An alert for the customers whose account or service provider it names. */
export interface Alert {
  readonly type:
    | 'webhook-failure'
    | 'webhook-connection-failure'
    | 'account-device-limit'
    | 'carrier-options-failure'
    | 'carrier-disabled';
  readonly message: string;
  /** Why, when the message does not say it. */
  readonly detail?: string;
  readonly accountSid?: string;
  readonly serviceProviderSid?: string;
  /** The gateway or carrier that it is about. */
  readonly targetSid?: string;
}

/** Raises alerts to customers. Never throws and never blocks the caller. */
export interface Alerts {
  raise(alert: Alert): void;
}

/** What the platform's operators see of this sidecar. */
export interface SystemAlert {
  readonly state: 'ONLINE' | 'OFFLINE' | 'SHUTDOWN_IN_PROGRESS';
  readonly detail: string;
}

/** Reports the state of this sidecar to the platform. Never throws and never blocks the caller. */
export interface SystemAlerts {
  report(alert: SystemAlert): void;
}
