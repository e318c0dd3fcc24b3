/** A request to the admin socket failed; the message is for the operator. */
export abstract class AdminError extends Error {}

export class NoSidecarError extends AdminError {
  override readonly name = 'NoSidecarError';
}

/** The socket belongs to a user whom we do not trust, or may not be opened. */
export class DeniedError extends AdminError {
  override readonly name = 'DeniedError';
}

/** The sidecar refused; the message is the sidecar's. */
export class RefusedError extends AdminError {
  override readonly name = 'RefusedError';
}

export class TimedOutError extends AdminError {
  override readonly name = 'TimedOutError';
}

/** The connection ended before the answer, or the answer is not valid. */
export class BrokenAnswerError extends AdminError {
  override readonly name = 'BrokenAnswerError';
}

/** The sidecar stops, and with it a stream. */
export class StoppedError extends AdminError {
  override readonly name = 'StoppedError';
}
