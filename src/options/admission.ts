import type { Endpoint, SipRequest } from '../sip/message.ts';
import type { SentCheckIn } from './check-in.ts';

/** Which check-ins count. */
export interface Admission {
  /** Of their sources. */
  readonly networks: readonly { contains(address: string): boolean }[];
  /** That alone take them, because the source of a datagram can be forged; none: every listener does. */
  readonly listeners: readonly { matches(listener: Endpoint): boolean }[];
}

/** Why a check-in does not count, for the log; undefined when it does. */
export function whyIgnored(
  { networks, listeners }: Admission,
  { source, receivedOn }: SipRequest,
  { misleads }: SentCheckIn,
): string | undefined {
  if (!networks.some((network) => network.contains(source.address)))
    return 'check-in from outside JAMBONES_NETWORK_CIDR ignored';
  if (listeners.length > 0) {
    if (receivedOn === undefined)
      return 'check-in ignored: this drachtio server is too old for JAMBONES_CHECKIN_LISTENER, it does not name its listener';
    if (!listeners.some((listener) => listener.matches(receivedOn)))
      return 'check-in on a listener other than JAMBONES_CHECKIN_LISTENER ignored';
  }
  return misleads ? 'check-in with a userinfo, query or fragment in X-FS-ServiceUrl ignored' : undefined;
}
