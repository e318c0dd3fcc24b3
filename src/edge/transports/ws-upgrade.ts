import { createHash } from 'node:crypto';
import { readHead } from '../../sip/head.ts';

export interface Upgrade {
  readonly accepted: boolean;
  /** HTTP response, after which a refused connection is closed. */
  readonly response: string;
}

/** RFC 7118 4.1. */
const SUBPROTOCOL = 'sip';
/** RFC 6455 1.3. */
const KEY_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
/** RFC 6455 4.1. */
const KEY = /^[A-Za-z0-9+/]{22}==$/;
const REQUEST_LINE = /^GET \S+ HTTP\/1\.1$/;

/**
 * Accepts an upgrade to a WebSocket with the subprotocol `sip` (RFC 6455 4.2, RFC 7118 4), for any path and Origin;
 * answers 426 to other requests, 400 to malformed ones.
 * @param head the HTTP request up to its blank line
 */
export function answerUpgrade(head: string): Upgrade {
  const { startLine, headers, fault } = readHead(head);
  const values = (name: string) => headers.filter((h) => h.name.toLowerCase() === name).map((h) => h.value);
  const lists = (name: string, item: string) =>
    values(name).some((value) => value.split(',').some((part) => part.trim().toLowerCase() === item));

  if (fault !== undefined || !REQUEST_LINE.test(startLine)) return refuse('400 Bad Request');
  if (!lists('upgrade', 'websocket') || !lists('connection', 'upgrade')) return refuse('426 Upgrade Required');
  if (values('sec-websocket-version').join() !== '13') return refuse('426 Upgrade Required');
  const [key, ...others] = values('sec-websocket-key');
  if (key === undefined || others.length > 0 || !KEY.test(key) || values('host').length !== 1) {
    return refuse('400 Bad Request');
  }
  if (!lists('sec-websocket-protocol', SUBPROTOCOL)) return refuse('400 Bad Request');
  const accept = createHash('sha1')
    .update(key + KEY_SUFFIX)
    .digest('base64');
  return {
    accepted: true,
    response:
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`,
  };
}

/** A response that reveals nothing about the server. */
export function refuse(status: '400 Bad Request' | '426 Upgrade Required'): Upgrade {
  const upgrade = status.startsWith('426') ? 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n' : '';
  const connection = status.startsWith('426') ? 'Upgrade, close' : 'close';
  return {
    accepted: false,
    response: `HTTP/1.1 ${status}\r\n${upgrade}Connection: ${connection}\r\nContent-Length: 0\r\n\r\n`,
  };
}
