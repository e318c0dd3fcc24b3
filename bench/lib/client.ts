import { createSocket } from 'node:dgram';
import { once } from 'node:events';

export const PROTOCOLS = ['udp', 'tcp', 'tls', 'ws', 'wss'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export interface Client {
  readonly protocol: Protocol;
  /** For Via: `UDP 127.0.0.1:1234`, or `WS a.invalid` as browsers have it (RFC 7118 appendix B.1). */
  readonly via: string;
  readonly contactHost: string;
  send(message: string): void;
  close(): void;
}

export interface ClientEvents {
  message(text: string): void;
  /** The connection has ended, whichever side closed it. */
  closed(): void;
}

/** Opens a socket or connection to 127.0.0.1, ready for SIP. @param ca PEM, for tls and wss @throws when that fails */
export function openClient(protocol: Protocol, port: number, events: ClientEvents, ca?: string): Promise<Client> {
  return protocol === 'udp' ? openUdp(port, events) : openStream(protocol, port, events, ca);
}

async function openUdp(port: number, events: ClientEvents): Promise<Client> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  socket.on('message', (data) => events.message(data.toString('latin1')));
  const own = `127.0.0.1:${socket.address().port}`;
  return {
    protocol: 'udp',
    via: `UDP ${own}`,
    contactHost: own,
    send: (message) => socket.send(message, port, '127.0.0.1'),
    close: () => socket.close(),
  };
}

const UPGRADE =
  'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n\r\n';

async function openStream(
  protocol: Exclude<Protocol, 'udp'>,
  port: number,
  events: ClientEvents,
  ca: string | undefined,
): Promise<Client> {
  const overWebSocket = protocol === 'ws' || protocol === 'wss';
  const secure = protocol === 'tls' || protocol === 'wss';
  const ready = Promise.withResolvers<void>();
  const begin = (socket: { write(text: string): number }) => {
    if (overWebSocket) socket.write(UPGRADE);
    else ready.resolve();
  };
  let rest = '';
  let upgraded = !overWebSocket;
  let cut = overWebSocket ? cutFrame : cutMessage;
  const socket = await Bun.connect({
    hostname: '127.0.0.1',
    port,
    ...(secure ? { tls: ca === undefined ? true : { ca } } : {}),
    socket: {
      open: (socket) => {
        if (!secure) begin(socket);
      },
      handshake: (socket, _success, error) => {
        if (error) ready.reject(error);
        else begin(socket);
      },
      data(socket, data) {
        rest += data.toString('latin1');
        if (!upgraded) {
          const end = rest.indexOf('\r\n\r\n');
          if (end < 0) return;
          if (!rest.startsWith('HTTP/1.1 101 ')) {
            ready.reject(new Error(`not upgraded: ${rest.slice(0, 40)}`));
            socket.end();
            return;
          }
          rest = rest.slice(end + 4);
          upgraded = true;
          ready.resolve();
        }
        for (let taken = cut(rest); taken; taken = cut(rest)) {
          rest = rest.slice(taken.end);
          if (taken.text !== '') events.message(taken.text);
        }
      },
      close: () => {
        cut = () => undefined;
        ready.reject(new Error(`${protocol}: the connection was closed before it was ready`));
        events.closed();
      },
      error: (_socket, error) => ready.reject(error),
    },
  });
  try {
    await ready.promise;
  } catch (error) {
    socket.end();
    throw error;
  }
  const own = `127.0.0.1:${socket.localPort}`;
  return {
    protocol,
    via: overWebSocket ? `${protocol.toUpperCase()} a.invalid` : `${protocol.toUpperCase()} ${own}`,
    contactHost: overWebSocket ? 'a.invalid;transport=ws' : `${own};transport=${protocol}`,
    send: (message) => void socket.write(overWebSocket ? textFrame(message) : message),
    close: () => void socket.end(),
  };
}

/** One message without a body, as all answers are here; a CRLF is an answered keep-alive (RFC 5626 4.4.1). */
function cutMessage(stream: string): { text: string; end: number } | undefined {
  if (stream.startsWith('\r\n')) return { text: '', end: 2 };
  const blank = stream.indexOf('\r\n\r\n');
  return blank < 0 ? undefined : { text: stream.slice(0, blank + 4), end: blank + 4 };
}

/** One frame from a server (RFC 6455 5.2): not masked, up to 65 535 bytes here. */
function cutFrame(stream: string): { text: string; end: number } | undefined {
  if (stream.length < 4) return undefined;
  const short = stream.charCodeAt(1);
  const start = short === 126 ? 4 : 2;
  const end = start + (short === 126 ? (stream.charCodeAt(2) << 8) | stream.charCodeAt(3) : short);
  if (stream.length < end) return undefined;
  const isText = (stream.charCodeAt(0) & 0x0f) === 1;
  return { text: isText ? stream.slice(start, end) : '', end };
}

/** A frame from a client, masked with zeros: XOR would only cost the generator CPU. */
function textFrame(message: string): Buffer {
  const length = Buffer.byteLength(message);
  const start = length < 126 ? 6 : 8;
  const frame = Buffer.alloc(start + length);
  frame[0] = 0x81;
  if (length < 126) frame[1] = 0x80 | length;
  else {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  }
  frame.write(message, start);
  return frame;
}
