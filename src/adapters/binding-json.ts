import { parseJson } from '../lib/json.ts';
import type { Binding } from '../ports/location.ts';
import type { BindingIdentity } from '../sip/binding-identity.ts';
import { canonicalUri, isSipUri } from '../sip/uri.ts';

export interface StoredBinding {
  readonly binding: Binding;
  /** Position among the bindings saved by one REGISTER; 0 is the preferred one. */
  readonly rank: number;
}

/** @param save the bindings of one REGISTER, preferred first */
export function rankBindings(save: readonly Binding[]): StoredBinding[] {
  return save.map((binding, rank) => ({ binding, rank }));
}

/**
 * Orders SIP Contacts before others, then the newest first, those of one REGISTER by rank. `precedes` in
 * redis/scripts.ts is the same rule.
 */
export function compareBindings(a: StoredBinding, b: StoredBinding): number {
  const isSip = ({ binding }: StoredBinding) => Number(isSipUri(binding.contact));
  return isSip(b) - isSip(a) || b.binding.savedAt - a.binding.savedAt || a.rank - b.rank;
}

/** The JSON at `user:<aor>`. Other services read the fields up to `expiryTime`; the rest are ours. */
export function bindingToJson({ binding: b, rank }: StoredBinding): string {
  return JSON.stringify({
    contact: b.contact,
    sbcAddress: b.sbcAddress,
    privateSbcAddress: b.privateSbcAddress,
    protocol: b.protocol,
    proxy: b.proxy,
    callHook: b.grant.callHook,
    callStatusHook: b.grant.callStatusHook,
    allow_direct_app_calling: b.grant.allowDirectAppCalling,
    allow_direct_queue_calling: b.grant.allowDirectQueueCalling,
    allow_direct_user_calling: b.grant.allowDirectUserCalling,
    expiryTime: b.expiryTime,
    key: b.key,
    uri: b.uri === b.key ? undefined : b.uri,
    contactParams: b.contactParams,
    callId: b.callId,
    cseq: b.cseq,
    userAgent: b.userAgent,
    savedAt: b.savedAt,
    rank,
    accountRealm: b.accountRealm,
  });
}

/**
 * Earlier jambonz sidecars write no `key` and beyond. Our first version has fractions in `savedAt` but no `rank`; our second
 * has no `uri`, which is absent too when it equals `key`.
 */
function bindingFromJson(json: string): StoredBinding | undefined {
  const s = parseObject(json);
  if (!s || typeof s.contact !== 'string' || typeof s.expiryTime !== 'number') return undefined;
  const binding: Binding = {
    ...identityOf(s.contact, s.key, s.uri),
    contact: s.contact,
    contactParams: text(s.contactParams),
    callId: text(s.callId),
    cseq: typeof s.cseq === 'number' ? s.cseq : 0,
    protocol: text(s.protocol),
    proxy: text(s.proxy),
    sbcAddress: text(s.sbcAddress),
    privateSbcAddress: text(s.privateSbcAddress),
    ...(typeof s.userAgent === 'string' && { userAgent: s.userAgent }),
    grant: {
      ...(s.callHook !== undefined && { callHook: s.callHook }),
      ...(s.callStatusHook !== undefined && { callStatusHook: s.callStatusHook }),
      allowDirectAppCalling: s.allow_direct_app_calling ?? false,
      allowDirectQueueCalling: s.allow_direct_queue_calling ?? false,
      allowDirectUserCalling: s.allow_direct_user_calling ?? false,
    },
    expiryTime: s.expiryTime,
    savedAt: typeof s.savedAt === 'number' ? s.savedAt : 0,
    ...(typeof s.accountRealm === 'string' && { accountRealm: s.accountRealm }),
  };
  return { binding, rank: typeof s.rank === 'number' ? s.rank : 0 };
}

/**
 * Parses the bindings of an AOR and returns the live ones in order.
 * @param now milliseconds since the epoch @param onMalformed called when something else is stored among them, which is skipped
 */
export function liveBindings(jsons: Iterable<string>, now: number, onMalformed: () => void): StoredBinding[] {
  const live: StoredBinding[] = [];
  for (const json of jsons) {
    const stored = bindingFromJson(json);
    if (!stored) onMalformed();
    else if (stored.binding.expiryTime > now) live.push(stored);
  }
  return live.sort(compareBindings);
}

function identityOf(contact: string, key: unknown, uri: unknown): BindingIdentity {
  if (typeof key !== 'string') return identical(canonicalUri(contact));
  if (typeof uri === 'string') return { key, uri };
  return isSipUri(key) || key === contact ? identical(key) : { key, uri: canonicalUri(contact) };
}

function identical(uri: string): BindingIdentity {
  return { key: uri, uri };
}

function parseObject(json: string): Record<string, unknown> | undefined {
  const value = parseJson(json);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
