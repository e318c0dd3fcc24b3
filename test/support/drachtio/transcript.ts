import { readFileSync } from 'node:fs';

export type Event =
  | { readonly kind: 'connect' | 'app closed' | 'server closed' | 'connect failed'; readonly conn: string }
  | { readonly kind: 'to server' | 'to app'; readonly conn: string; readonly payload: string }
  | { readonly kind: 'invalid'; readonly conn: string; readonly bytes: string };

const HEADING =
  /\n=== (?:(TCP connect|APP closed \(FIN\)|DRACHTIO closed \(FIN\)) (\w+) t=[\d.]+ ===\n|(APP->DRACHTIO|DRACHTIO->APP) (\w+) t=[\d.]+ (?:frame: "\d+#" \+ (\d+) bytes|(INVALID FRAME)) ===\n|drachtio socket error \w+ t=[\d.]+ ===\n)/y;

const SIMPLE = {
  'TCP connect': 'connect',
  'APP closed (FIN)': 'app closed',
  'DRACHTIO closed (FIN)': 'server closed',
} as const;

/** Parses a transcript. Ignores an event that is cut off at the end. */
export function readTranscript(name: string): Event[] {
  const bytes = readFileSync(new URL(`../../fixtures/drachtio-wire/${name}.txt`, import.meta.url));
  const text = bytes.toString('latin1'); // one character per byte
  const events: Event[] = [];
  for (let at = 0; at < text.length; ) {
    HEADING.lastIndex = at;
    const found = HEADING.exec(text);
    if (!found) break;
    at = HEADING.lastIndex;
    const [, simple, simpleConn, direction, conn, length, invalid] = found;
    if (simple !== undefined && simpleConn !== undefined) {
      events.push({ kind: SIMPLE[simple as keyof typeof SIMPLE], conn: simpleConn });
    } else if (direction === undefined || conn === undefined) {
      // The last attempt is the one that failed.
      const last = events.findLast((e) => e.kind === 'connect');
      if (last) events.push({ kind: 'connect failed', conn: last.conn });
    } else if (invalid !== undefined) {
      const end = text.indexOf('\n', at);
      events.push({ kind: 'invalid', conn, bytes: text.slice(at, end) });
      at = end;
    } else {
      const start = text.indexOf('#', at) + 1;
      const end = start + Number(length);
      if (end > text.length) break;
      const payload = Buffer.from(text.slice(start, end), 'latin1').toString('utf8');
      events.push({ kind: direction === 'APP->DRACHTIO' ? 'to server' : 'to app', conn, payload });
      at = end + 1;
    }
  }
  return events;
}
