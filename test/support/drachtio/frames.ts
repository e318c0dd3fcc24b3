import { encodeFrame } from '../../../src/adapters/drachtio/frames.ts';
import type { Wire } from '../../../src/sip/message.ts';

/** A frame of a first line and an optional message, which may have bytes that are no text. */
export function frameOf(leader: string, message: Wire): Wire {
  if (typeof message === 'string') return encodeFrame(leader + message);
  const bytes = Buffer.from(leader);
  return Buffer.concat([Buffer.from(`${bytes.length + message.length}#`), bytes, message]);
}
