export interface Alert {
  readonly type?: 'webhook-failure' | 'webhook-connection-failure' | 'account-device-limit';
  readonly message: string;
  /** Why, when the message does not say it. */
  readonly detail?: string;
  readonly accountSid?: string;
  readonly serviceProviderSid?: string;
}

/** Raises alerts to customers. Never throws and never blocks the caller. */
export interface Alerts {
  raise(alert: Alert): void;
}
