export interface Alert {
  readonly type?: 'webhook-failure' | 'webhook-connection-failure' | 'account-device-limit';
  readonly message: string;
  readonly accountSid?: string;
  readonly serviceProviderSid?: string;
}

/** Tells a customer that something needs attention. Never throws and never makes the caller wait. */
export interface Alerts {
  raise(alert: Alert): void;
}
