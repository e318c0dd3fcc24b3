import type { Aor } from '../../ports/location.ts';

/** The names in Redis. Those without `sidecar:` belong to the platform and are bit-exact; the others are ours alone. */
export const keys = {
  /** JSON of the newest live binding of an AOR. */
  user: ({ user, realm }: Aor) => `user:${user}@${realm}`,
  /** zset of `user:…`, score = expiry in ms. */
  activeUsers: 'active-user',
  /** hash: binding key → JSON, of the live bindings that are not the newest. */
  others: ({ user, realm }: Aor) => `sidecar:others:${user}@${realm}`,
  /** The part of active-user that belongs to one realm, so that counting it is no scan. */
  realmIndex: (realm: string) => `sidecar:realm:${realm}`,
  /** set of the realms that have an index. */
  realms: 'sidecar:realms',
  /** zset of `<user>@<realm>`, score = when the newest binding goes and the next takes its place. */
  promotions: 'sidecar:promotions',
  /** The highest nonce-count used with a nonce. */
  nonce: (id: string) => `sidecar:nonce:${id}`,
  /** The token of the sidecar that acts outwards for its cluster. */
  lease: (clusterId: string) => `${clusterId}:regbot-token`,
  /** hash: voip_carrier_sid → expiry in seconds since the epoch, of the carriers an address is a gateway of. */
  ephemeralGateway: (ip: string) => `eph-gw-ip:${ip}`,
  /** There while call routing is to skip the gateway. */
  blacklistedGateway: (sid: string) => `blacklist-sip-gateway:${sid}`,
} as const;

/** Names that belong to one cluster of sidecars; several may share a Redis. */
export function clusterKeys(cluster: string) {
  return {
    /** set of `ip:port` of the feature servers that take calls. */
    activeFeatureServers: `${cluster}:active-fs`,
    /** set of their http URLs. */
    serviceUrls: `${cluster}:fs-service-url`,
    /** set of the ips of the RTP servers that take calls. */
    activeRtpServers: `${cluster}:active-rtp`,
    /** set of the ips of feature servers that an operator took out. */
    drained: `${cluster}:drained-fs`,
    /** hash: `ip:port` → JSON {at: last check-in in ms, or when it was `found`; calls, url}. */
    featureCheckIns: `sidecar:${cluster}:fs`,
    rtpCheckIns: `sidecar:${cluster}:rtp`,
    /** hash: service URL that no server has named to us → when we first saw it, ms. */
    strayUrls: `sidecar:${cluster}:fs-stray-urls`,
  } as const;
}
