import type { RegisterStatus } from '../../ports/carriers.ts';

/** The width of voip_carriers.register_status, characters. */
const MAX_LENGTH = 4096;
/** So much of a reason is kept: nobody reads more, and with up to six characters of JSON for each it leaves room. */
const MAX_REASON_LENGTH = 500;

/** The JSON that the webapp shows, at most 4096 characters. */
export function registerStatusJson(status: RegisterStatus): string {
  const json = JSON.stringify({ ...status, reason: cut(status.reason) });
  if (json.length <= MAX_LENGTH) return json;
  const { callId: _callId, cseq: _cseq, ...rest } = status;
  return JSON.stringify({ ...rest, reason: cut(status.reason) });
}

function cut(text: string): string {
  return text.length <= MAX_REASON_LENGTH ? text : `${text.slice(0, MAX_REASON_LENGTH - 1)}…`.toWellFormed();
}
