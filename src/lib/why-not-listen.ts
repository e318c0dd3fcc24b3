import { shellWord } from './shell.ts';
import { currentUser } from './user.ts';

/** Linux's default; see net.ipv4.ip_unprivileged_port_start. */
const FIRST_UNPRIVILEGED_PORT = 1024;

export interface FailedListen {
  readonly udp: boolean;
  readonly port: number;
  /** `EADDRINUSE`, `EADDRNOTAVAIL`, `EACCES` … */
  readonly code: string;
  /** How to choose another address: `name another with --sip`. */
  readonly remedy: string;
}

/** Why an address cannot be listened on and what to do about it, to follow the address in one line. */
export function whyNotListen({ udp, port, code, remedy }: FailedListen): string {
  switch (code) {
    case 'EADDRINUSE':
      return `is in use; find by whom with ss ${udp ? '-lunp' : '-ltnp'} 'sport = :${port}', or ${remedy}`;
    case 'EADDRNOTAVAIL':
      return 'is not an address of this machine; ip address lists those that are';
    case 'EACCES':
    case 'EPERM':
      return port < FIRST_UNPRIVILEGED_PORT
        ? `is not permitted: ports below ${FIRST_UNPRIVILEGED_PORT} need CAP_NET_BIND_SERVICE, which user ${currentUser()} lacks; type setcap cap_net_bind_service=+ep ${shellWord(process.execPath)}, as root`
        : `is not permitted to user ${currentUser()}`;
    default:
      return `cannot be listened on (${code})`;
  }
}
