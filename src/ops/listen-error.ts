import { whyNotListen } from '../lib/why-not-listen.ts';
import { joinHostPort } from '../sip/ip.ts';

/** The HTTP server cannot listen on its address; the message is one line with the remedy. */
export class HttpListenError extends Error {
  override readonly name = 'HttpListenError';

  constructor(
    host: string,
    port: number,
    /** `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES` … */
    readonly code: string,
  ) {
    const why = whyNotListen({ udp: false, port, code, remedy: 'set HTTP_PORT to another port' });
    super(`HTTP at ${joinHostPort(host, port)} ${why}`);
  }
}
