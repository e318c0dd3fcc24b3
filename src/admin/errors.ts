/** Why the sidecar's admin socket gave no answer to go on with. The message is for people. */
export abstract class AdminError extends Error {}

/** Nothing answers at the socket, or we may not ask. */
export class NoSidecarError extends AdminError {
  override readonly name = 'NoSidecarError';
}

/** The sidecar said no; the message is what it said. */
export class RefusedError extends AdminError {
  override readonly name = 'RefusedError';
}

/** The answer did not come in time. */
export class TimedOutError extends AdminError {
  override readonly name = 'TimedOutError';
}

/** The connection ended before the answer, or the answer was none. */
export class BrokenAnswerError extends AdminError {
  override readonly name = 'BrokenAnswerError';
}
