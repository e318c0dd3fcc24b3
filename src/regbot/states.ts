export type State =
  | 'queued'
  | 'registering'
  | 'registered'
  | 'refreshing'
  | 'failing'
  | 'disabled'
  | 'leaving'
  | 'stopped';

export type Event = 'turn' | 'granted' | 'failed' | 'refused' | 'due' | 'changed' | 'removed' | 'left' | 'stop';
export type Action = 'enqueue' | 'attempt' | 'keep' | 'retryLater' | 'disable' | 'leave' | 'end' | 'letGo' | 'forget';

/**
 * All that can happen to a registration: state, event, then the next state and what is done on the way there. What is
 * not in the table changes nothing: an answer after the stop, a turn that nobody waits for.
 *
 *   turn     the pace lets it go on            changed  its settings did, or somebody wants it renewed now
 *   granted  a 2xx                             removed  the carrier wants no registration any more
 *   failed   anything else, or no answer       left     the un-registering is over, well or not
 *   refused  failed, as often as ends it       stop     we do not lead any more, or the process ends
 *   due      the timer: refresh, or retry
 */
export const TABLE: { readonly [S in State]: { readonly [E in Event]?: readonly [State, ...Action[]] } } = {
  queued: {
    turn: ['registering', 'attempt'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'leave'],
    stop: ['stopped', 'end'],
  },
  registering: {
    granted: ['registered', 'keep'],
    failed: ['failing', 'retryLater'],
    refused: ['disabled', 'letGo', 'disable'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'leave'],
    stop: ['stopped', 'end'],
  },
  registered: {
    due: ['refreshing', 'attempt'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'leave'],
    stop: ['stopped', 'end'],
  },
  refreshing: {
    granted: ['registered', 'keep'],
    failed: ['failing', 'retryLater'],
    refused: ['disabled', 'letGo', 'disable'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'leave'],
    stop: ['stopped', 'end'],
  },
  failing: {
    due: ['queued', 'enqueue'],
    changed: ['queued', 'enqueue'],
    removed: ['leaving', 'leave'],
    stop: ['stopped', 'end'],
  },
  disabled: {
    due: ['disabled', 'disable'],
    changed: ['queued', 'enqueue'],
    removed: ['stopped', 'end', 'forget'],
    stop: ['stopped', 'end'],
  },
  leaving: {
    turn: ['leaving', 'attempt'],
    left: ['stopped', 'letGo', 'end', 'forget'],
    changed: ['queued', 'enqueue'],
    stop: ['stopped', 'end'],
  },
  stopped: {},
};
