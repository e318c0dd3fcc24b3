import { parseJson } from '../lib/json.ts';
import type { Binding } from '../ports/location.ts';
import { tryParse } from '../sip/syntax.ts';
import { canonicalUri, parseUri } from '../sip/uri.ts';

/**
 * The JSON of a binding as call routing reads it. The names up to `expiryTime` are read by other services and fixed;
 * those after it are our own.
 */
export function bindingToJson(b: Binding): string {
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
    contactParams: b.contactParams,
    callId: b.callId,
    cseq: b.cseq,
    userAgent: b.userAgent,
    savedAt: b.savedAt,
  });
}

/**
 * Reads a binding, also one that an older sidecar wrote: that one ends with expiryTime, and may have 0 and 1 for flags.
 * Read by hand, because every REGISTER does. @returns undefined for what is none
 */
export function bindingFromJson(json: string): Binding | undefined {
  const s = parseObject(json);
  if (!s || typeof s.contact !== 'string' || typeof s.expiryTime !== 'number') return undefined;
  return {
    key: typeof s.key === 'string' ? s.key : keyOf(s.contact),
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
      allowDirectAppCalling: Boolean(s.allow_direct_app_calling),
      allowDirectQueueCalling: Boolean(s.allow_direct_queue_calling),
      allowDirectUserCalling: Boolean(s.allow_direct_user_calling),
    },
    expiryTime: s.expiryTime,
    savedAt: typeof s.savedAt === 'number' ? s.savedAt : 0,
  };
}

/** The live ones of some stored bindings, newest first. @param now milliseconds since the epoch */
export function liveBindings(jsons: Iterable<string>, now: number): Binding[] {
  const live: Binding[] = [];
  for (const json of jsons) {
    const binding = bindingFromJson(json);
    if (binding && binding.expiryTime > now) live.push(binding);
  }
  return live.sort((a, b) => b.savedAt - a.savedAt);
}

function keyOf(contact: string): string {
  return tryParse(() => canonicalUri(parseUri(contact))) ?? contact;
}

function parseObject(json: string): Record<string, unknown> | undefined {
  const value = parseJson(json);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
