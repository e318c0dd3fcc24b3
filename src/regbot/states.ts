export type State =
  | 'queued'
  | 'registering'
  | 'registered'
  | 'refreshing'
  | 'failing'
  | 'disabled'
  | 'leaving'
  | 'stopped';

export type Event =
  | 'turn'
  | 'granted'
  /** Any other final response, or none. */
  | 'failed'
  /** Failed, and the number of refusals in a row has reached the threshold. */
  | 'refused'
  | 'due'
  /** Its settings changed, or a refresh was requested. */
  | 'changed'
  /** The carrier no longer requires registration. */
  | 'removed'
  /** Un-registering ended, successfully or not. */
  | 'unregistered'
  /** We no longer lead, or the process ends. */
  | 'stop';

export type Action =
  | 'enqueue'
  | 'attempt'
  | 'scheduleRefresh'
  | 'scheduleRetry'
  | 'disable'
  | 'unregister'
  | 'clearExpiry'
  | 'releaseAddresses'
  | 'forget';

/**
 * The transitions of a trunk registration: the next state, then the actions. Events that are not listed are ignored.
 */
export const TABLE: { readonly [S in State]: { readonly [E in Event]?: readonly [State, ...Action[]] } } = {
  queued: {
    turn: ['registering', 'attempt'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  registering: {
    granted: ['registered', 'scheduleRefresh'],
    failed: ['failing', 'scheduleRetry'],
    refused: ['disabled', 'releaseAddresses', 'disable'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  registered: {
    due: ['refreshing', 'attempt'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  refreshing: {
    granted: ['registered', 'scheduleRefresh'],
    failed: ['failing', 'scheduleRetry'],
    refused: ['disabled', 'releaseAddresses', 'disable'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  failing: {
    due: ['queued', 'enqueue'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  disabled: {
    due: ['disabled', 'disable'],
    changed: ['queued', 'enqueue'],
    removed: ['stopped', 'clearExpiry', 'forget'],
    stop: ['stopped', 'clearExpiry'],
  },
  leaving: {
    turn: ['leaving', 'attempt'],
    unregistered: ['stopped', 'releaseAddresses', 'clearExpiry', 'forget'],
    changed: ['queued', 'enqueue'],
    stop: ['stopped', 'clearExpiry'],
  },
  stopped: {},
};
