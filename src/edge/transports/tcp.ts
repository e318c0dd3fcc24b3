import type { Session, SessionEvents } from './connection.ts';
import { StreamFramer } from './framing.ts';
import type { StreamKind } from './stream.ts';

/** RFC 3261 18.3, with the CRLF keep-alive of RFC 5626 3.5.1. */
function sipSession(events: SessionEvents): Session {
  const framer = new StreamFramer({
    message: events.message,
    malformed: (error, fatal) => (fatal ? events.broken(error) : events.malformed(error)),
    keepAlive: () => events.write('\r\n'),
  });
  return {
    get halfOpen() {
      return framer.halfOpen;
    },
    get keptBytes() {
      return framer.keptBytes;
    },
    receive: (chunk) => framer.push(chunk),
    encode: (message) => message,
  };
}

export const TCP: StreamKind = {
  protocol: 'tcp',
  baseProtocol: 'tcp',
  viaProtocol: 'TCP',
  defaultPort: 5060,
  dials: true,
  session: sipSession,
};

/** RFC 3261 26.2. */
export const TLS: StreamKind = { ...TCP, protocol: 'tls', baseProtocol: 'tls', viaProtocol: 'TLS', defaultPort: 5061 };
