import * as v from 'valibot';
import type { Binding } from '../ports.ts';
import { SipSyntaxError } from '../sip/syntax.ts';
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

/** What older sidecars write ends with expiryTime; they write 0 and 1 for the flags at times. */
const text = v.optional(v.string(), '');
const flag = v.optional(v.pipe(v.unknown(), v.transform(Boolean)), false);
const stored = v.object({
  contact: v.string(),
  expiryTime: v.number(),
  sbcAddress: text,
  privateSbcAddress: text,
  protocol: text,
  proxy: text,
  callHook: v.optional(v.unknown()),
  callStatusHook: v.optional(v.unknown()),
  allow_direct_app_calling: flag,
  allow_direct_queue_calling: flag,
  allow_direct_user_calling: flag,
  key: v.optional(v.string()),
  contactParams: text,
  callId: text,
  cseq: v.optional(v.number(), 0),
  userAgent: v.optional(v.string()),
  savedAt: v.optional(v.number(), 0),
});

/** Reads a binding, also one that an older sidecar wrote; undefined for what is none. */
export function bindingFromJson(json: string): Binding | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined; // JSON.parse throws nothing but "no JSON"
  }
  const parsed = v.safeParse(stored, value);
  if (!parsed.success) return undefined;
  const s = parsed.output;
  return {
    key: s.key ?? keyOf(s.contact),
    contact: s.contact,
    contactParams: s.contactParams,
    callId: s.callId,
    cseq: s.cseq,
    protocol: s.protocol,
    proxy: s.proxy,
    sbcAddress: s.sbcAddress,
    privateSbcAddress: s.privateSbcAddress,
    ...(s.userAgent !== undefined && { userAgent: s.userAgent }),
    grant: {
      ...(s.callHook !== undefined && { callHook: s.callHook }),
      ...(s.callStatusHook !== undefined && { callStatusHook: s.callStatusHook }),
      allowDirectAppCalling: s.allow_direct_app_calling,
      allowDirectQueueCalling: s.allow_direct_queue_calling,
      allowDirectUserCalling: s.allow_direct_user_calling,
    },
    expiryTime: s.expiryTime,
    savedAt: s.savedAt,
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
  try {
    return canonicalUri(parseUri(contact));
  } catch (error) {
    if (error instanceof SipSyntaxError) return contact;
    throw error;
  }
}
