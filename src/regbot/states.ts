export type State =
  | 'queued'
  | 'registering'
  | 'registered'
  | 'refreshing'
  | 'failing'
  | 'disabled'
  /** Un-registers before it registers elsewhere. */
  | 'moving'
  /** Un-registers before it is forgotten. */
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
  /** Its settings changed, or a refresh was requested. The registrar and the AOR are the same. */
  | 'changed'
  /** The registrar or the AOR changed. */
  | 'moved'
  /** The carrier no longer requires registration. */
  | 'removed'
  /** Un-registering ended, successfully or not. */
  | 'unregistered'
  /** We no longer lead, or the process ends. */
  | 'stop';

export type Action =
  | 'enqueue'
  /** Takes the changed settings over. */
  | 'adopt'
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
    changed: ['queued', 'adopt', 'enqueue'],
    moved: ['moving', 'unregister'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  registering: {
    granted: ['registered', 'scheduleRefresh'],
    failed: ['failing', 'scheduleRetry'],
    refused: ['disabled', 'releaseAddresses', 'disable'],
    changed: ['queued', 'adopt', 'enqueue'],
    moved: ['moving', 'unregister'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  registered: {
    due: ['refreshing', 'attempt'],
    changed: ['queued', 'adopt', 'enqueue'],
    moved: ['moving', 'unregister'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  refreshing: {
    granted: ['registered', 'scheduleRefresh'],
    failed: ['failing', 'scheduleRetry'],
    refused: ['disabled', 'releaseAddresses', 'disable'],
    changed: ['queued', 'adopt', 'enqueue'],
    moved: ['moving', 'unregister'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  failing: {
    due: ['queued', 'enqueue'],
    changed: ['queued', 'adopt', 'enqueue'],
    moved: ['moving', 'unregister'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  disabled: {
    due: ['disabled', 'disable'],
    changed: ['queued', 'adopt', 'enqueue'],
    moved: ['moving', 'unregister'],
    removed: ['stopped', 'clearExpiry', 'forget'],
    stop: ['stopped', 'clearExpiry'],
  },
  moving: {
    turn: ['moving', 'attempt'],
    unregistered: ['queued', 'clearExpiry', 'adopt', 'enqueue'],
    removed: ['leaving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  leaving: {
    turn: ['leaving', 'attempt'],
    unregistered: ['stopped', 'releaseAddresses', 'clearExpiry', 'forget'],
    changed: ['queued', 'adopt', 'enqueue'],
    moved: ['moving', 'unregister'],
    stop: ['stopped', 'clearExpiry'],
  },
  stopped: {},
};
