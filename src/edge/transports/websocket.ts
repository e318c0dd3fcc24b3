import { isUtf8 } from 'node:buffer';
import { MalformedMessage, type Wire } from '../../sip/message.ts';
import { isFiller, parseMessage } from '../../sip/parse-message.ts';
import { MAX_UPGRADE_BYTES } from '../limits.ts';
import type { Session, SessionEvents } from './connection.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import type { StreamKind } from './stream.ts';
import { closePayload, encodeFrame, FrameReader, OPCODE } from './ws-frames.ts';
import { answerUpgrade, refuse } from './ws-upgrade.ts';

const BLANK_LINE = '\r\n\r\n';

/**
 * SIP over WebSocket (RFC 7118), server side: after the upgrade, one message per WebSocket message, text or binary.
 * No HTTP server: limits and deadlines hold from the first byte on, and renewing a certificate ends no connection.
 */
class WebSocketSession implements Session {
  #state: 'upgrading' | 'open' | 'closing' = 'upgrading';
  readonly #head = new GrowingBuffer();
  readonly #frames = new FrameReader({
    message: (payload) => this.#message(payload),
    ping: (payload) => this.events.write(encodeFrame(OPCODE.pong, payload)),
    close: (payload) => this.#close(payload.subarray(0, 2)),
    failed: (code) => {
      this.events.dropped('WebSocket', `WebSocket failed with ${code}`);
      this.#close(closePayload(code));
    },
  });

  constructor(private readonly events: SessionEvents) {}

  get halfOpen(): boolean {
    return this.#state !== 'open' || this.#frames.halfOpen;
  }

  get keptBytes(): number {
    return this.#head.length + this.#frames.keptBytes;
  }

  receive(chunk: Buffer): void {
    if (this.#state === 'open') this.#frames.push(chunk);
    else if (this.#state === 'upgrading') this.#upgrade(chunk);
  }

  encode(message: Wire): Wire {
    const bytes = typeof message === 'string' ? Buffer.from(message) : message;
    // Browsers deliver text frames as strings.
    return encodeFrame(isUtf8(bytes) ? OPCODE.text : OPCODE.binary, bytes);
  }

  #upgrade(chunk: Buffer): void {
    this.#head.append(chunk);
    const { bytes } = this.#head;
    const blank = bytes.indexOf(BLANK_LINE);
    if (blank < 0 && bytes.length <= MAX_UPGRADE_BYTES) return;
    const end = blank + BLANK_LINE.length;
    const tooLong = blank < 0 || end > MAX_UPGRADE_BYTES;
    const { accepted, response } = tooLong
      ? refuse('400 Bad Request')
      : answerUpgrade(bytes.toString('latin1', 0, end));
    const rest = Buffer.from(bytes.subarray(end));
    this.#head.clear();
    if (!accepted) {
      this.#state = 'closing';
      this.events.dropped('WebSocket', `not upgraded: ${response.slice(9, 12)}`);
      this.events.end(response);
      return;
    }
    this.#state = 'open';
    this.events.write(response);
    if (rest.length > 0) this.#frames.push(rest);
  }

  #message(payload: Buffer): void {
    if (payload.every(isFiller)) {
      // RFC 7118 6, RFC 5626 3.5.1: a double CRLF is answered with a single one.
      if (payload.includes(BLANK_LINE)) this.events.write(encodeFrame(OPCODE.text, Buffer.from('\r\n')));
      return;
    }
    try {
      this.events.message(parseMessage(payload), payload.length);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.events.malformed(error);
    }
  }

  /** RFC 6455 5.5.1: sends a close frame, and the server closes the connection first. */
  #close(payload: Uint8Array): void {
    this.#state = 'closing';
    this.events.end(encodeFrame(OPCODE.close, payload));
  }
}

export const WS: StreamKind = {
  protocol: 'ws',
  baseProtocol: 'tcp',
  viaProtocol: 'WS',
  defaultPort: 80,
  dials: false,
  session: (events) => new WebSocketSession(events),
};

export const WSS: StreamKind = { ...WS, protocol: 'wss', baseProtocol: 'tls', viaProtocol: 'WSS', defaultPort: 443 };
