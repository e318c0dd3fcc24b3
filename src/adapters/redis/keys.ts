import type { Aor } from '../../ports/location.ts';
import { aorName } from '../../sip/aor.ts';

const OTHERS = 'sidecar:others:';

/** Key names. Those with the prefix `sidecar:` are ours; the others are shared with the platform and fixed. */
export const keys = {
  /** JSON of the newest live binding of an AOR. */
  user: (aor: Aor) => `user:${aorName(aor)}`,
  /** zset of `user:…`, score = expiry in ms. */
  activeUsers: 'active-user',
  /** hash: binding key → JSON, of all live bindings of an AOR but the newest. */
  others: (aor: Aor) => OTHERS + aorName(aor),
  /** Followed by `user@realm`. */
  othersPrefix: OTHERS,
  /** zset: the members of active-user in one realm, to count them without a scan. */
  realmIndex: (realm: string) => `sidecar:realm:${realm}`,
  /** set of the realms that have an index. */
  realms: 'sidecar:realms',
  /** zset of `<user>@<realm>`, score = expiry of the newest binding in ms, after which the next is promoted. */
  promotions: 'sidecar:promotions',
  /** Highest nonce-count used. */
  nonce: (id: string) => `sidecar:nonce:${id}`,
  /** Written to find out whether Redis takes writes. */
  probe: (clusterId: string) => `sidecar:${clusterId}:probe`,
  lease: (clusterId: string) => `${clusterId}:regbot-token`,
  /** hash: voip_carrier_sid → expiry in seconds since the epoch. */
  ephemeralGateway: (ip: string) => `eph-gw-ip:${ip}`,
  /** set of the UUIDs of feature servers in Kubernetes. */
  kubernetesFeatureServers: 'fsUUIDs',
  /** Exists while call routing is to skip the gateway. */
  blacklistedGateway: (sid: string) => `blacklist-sip-gateway:${sid}`,
} as const;

/** Key names of one cluster; several clusters may share a Redis. */
export function clusterKeys(cluster: string) {
  return {
    /** set of `ip:port` of active feature servers. */
    activeFeatureServers: `${cluster}:active-fs`,
    /** set of their HTTP URLs. */
    serviceUrls: `${cluster}:fs-service-url`,
    /** set of IPs of active RTP servers. */
    activeRtpServers: `${cluster}:active-rtp`,
    /** zset: source → log2(score) + time / half-life. */
    suspects: `sidecar:${cluster}:suspects`,
    /** zset: source → end of its ban, ms. */
    bans: `sidecar:${cluster}:bans`,
    /** Followed by a source, hash: times it was banned, when to forget that in ms. */
    banPrefix: `sidecar:${cluster}:ban:`,
    /** hash: source → the address of it that we have put into JAMBONES_BAN_REDIS_KEY. */
    listed: `sidecar:${cluster}:banned-addresses`,
    /** zset: `user@realm` → wrong answers in a minute since the epoch. */
    wrongAnswers: (minute: number) => `sidecar:${cluster}:wrong-answers:${minute}`,
    /** set of IPs of drained feature servers. */
    drained: `${cluster}:drained-fs`,
    /** hash: `ip:port` → JSON {at: last check-in in ms, or time when `found` in the set; calls, url}. */
    featureCheckIns: `sidecar:${cluster}:fs`,
    rtpCheckIns: `sidecar:${cluster}:rtp`,
    /** hash: service URL that no server has checked in with → time first seen, ms. */
    strayUrls: `sidecar:${cluster}:fs-stray-urls`,
    /** hash: sip_gateway_sid → JSON {contact, until in ms, registrar}, of our registrations at carriers. */
    trunkContacts: `sidecar:${cluster}:trunk-contacts`,
  } as const;
}
