import type { RegisterStatus } from '../../outbound-ports.ts';

/** The width of voip_carriers.register_status, characters. */
const MAX_LENGTH = 4096;

/** So much of a reason is kept whatever is in it: JSON may need six characters for one. */
const SHORT_REASON = 500;

/** The JSON that the webapp shows, at most 4096 characters: the reason is cut when it is longer. */
export function registerStatusJson(status: RegisterStatus): string {
  const json = JSON.stringify(status);
  if (json.length <= MAX_LENGTH) return json;
  // A character of text is at least one of JSON, so this is enough, with one for the ellipsis.
  const length = status.reason.length - (json.length - MAX_LENGTH) - 1;
  if (length >= 0) return JSON.stringify({ ...status, reason: cut(status.reason, length) });
  // Then it is not the reason that is too long.
  const { callId: _callId, cseq: _cseq, ...rest } = status;
  return JSON.stringify({ ...rest, reason: cut(status.reason, SHORT_REASON) });
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`.toWellFormed();
}
