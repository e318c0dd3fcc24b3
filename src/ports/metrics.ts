/** The result of a REGISTER; as `result` in the log. */
export type RegisterResult = 'registered' | 'refreshed' | 'unregistered' | 'queried' | 'challenged' | 'refused';

/** Measures what happens. No call throws or waits. Durations are in milliseconds. */
export interface Metrics {
  /**
   * A REGISTER was answered.
   * @param reason name of the refusal, '' for others @param isCached whether it was granted without authentication
   */
  registerAnswered(answer: {
    readonly result: RegisterResult;
    readonly reason: string;
    readonly status: number;
    readonly isCached: boolean;
    readonly ms: number;
  }): void;
  /** One step of a REGISTER: `lookup` of the account and its client, `webhook`, `store` (bindings read and written). */
  registerStep(step: 'lookup' | 'webhook' | 'store', ms: number): void;
  /** A webhook call has ended. @param status of its response, 0 without one */
  webhookAnswered(result: 'granted' | 'denied' | 'refused' | 'failed', status: number, ms: number): void;
}

export const NO_METRICS: Metrics = {
  registerAnswered: () => {},
  registerStep: () => {},
  webhookAnswered: () => {},
};
