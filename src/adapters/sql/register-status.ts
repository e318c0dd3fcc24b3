import { cut } from '../../lib/text.ts';
import type { RegisterStatus } from '../../ports/carriers.ts';

/** Width of voip_carriers.register_status, characters. */
const MAX_LENGTH = 4096;
/** JSON may need six characters for each of these, which still leaves room for the other fields. */
const MAX_REASON_LENGTH = 500;

/** Leaves out Call-ID and CSeq if the JSON would exceed {@link MAX_LENGTH}. */
export function registerStatusJson(status: RegisterStatus): string {
  const json = JSON.stringify({ ...status, reason: truncate(status.reason) });
  if (json.length <= MAX_LENGTH) return json;
  const { callId: _callId, cseq: _cseq, ...rest } = status;
  return JSON.stringify({ ...rest, reason: truncate(status.reason) });
}

function truncate(text: string): string {
  return text.length <= MAX_REASON_LENGTH ? text : `${cut(text, MAX_REASON_LENGTH - 1)}…`;
}
