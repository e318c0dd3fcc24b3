import * as v from 'valibot';
import { defined } from '../lib/defined.ts';
import { nestsDeeperThan } from '../lib/json.ts';
import type { Grant } from '../ports/location.ts';
import { isToken } from '../sip/syntax.ts';

/** Characters; call hooks and permissions are stored with every binding. */
const MAX_STORED = 4096;
/** Levels of lists and objects in one of them. */
const MAX_LEVELS = 32;
const MAX_HEADERS = 20;
const MAX_HEADER_VALUE = 1024;

/** JSON that is stored as it is. */
const stored = v.optional(
  v.pipe(
    v.unknown(),
    v.check((value) => !nestsDeeperThan(value, MAX_LEVELS) && JSON.stringify(value).length <= MAX_STORED, 'too long'),
  ),
);
/** Some customers send numbers as strings. */
const seconds = v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.integer(), v.minValue(0));

const replySchema = v.object({
  status: v.string(),
  msg: v.optional(v.string()),
  expires: v.nullish(seconds),
  call_hook: stored,
  call_status_hook: stored,
  allow_direct_app_calling: stored,
  allow_direct_queue_calling: stored,
  allow_direct_user_calling: stored,
  blacklist: v.optional(v.unknown()),
  headers: v.nullish(v.record(v.string(), v.unknown())),
});

export type Reply = v.InferOutput<typeof replySchema>;

/**
 * Headers that explain a 403, besides the extensions `X-…` and `P-…`. Any other might be one that the SIP stack sets, or
 * might change what the response means.
 */
const PASSED_ON = /^(?:[XP]-.+|Reason|Warning|Error-Info|Retry-After)$/i;

/** @returns undefined when the body is not a valid reply */
export function parseReply(body: string): Reply | undefined {
  const parsed = v.safeParse(replySchema, wellFormedJson(body));
  return parsed.success ? parsed.output : undefined;
}

/** Parses JSON and replaces lone surrogates, which JSON can express but neither UTF-8 nor Redis's own JSON can. */
function wellFormedJson(text: string): unknown {
  try {
    return JSON.parse(text, (_, value) => {
      if (typeof value === 'string') return value.toWellFormed();
      if (typeof value !== 'object' || value === null || Object.keys(value).every((key) => key.isWellFormed()))
        return value;
      return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toWellFormed(), member]));
    });
  } catch {
    return undefined; // no JSON
  }
}

export function grantOf(reply: Reply): Grant {
  return defined({
    callHook: reply.call_hook || undefined,
    callStatusHook: reply.call_status_hook || undefined,
    allowDirectAppCalling: reply.allow_direct_app_calling ?? false,
    allowDirectQueueCalling: reply.allow_direct_queue_calling ?? false,
    allowDirectUserCalling: reply.allow_direct_user_calling ?? false,
  });
}

/**
 * The reply's headers that may go into the 403, none with line breaks. Names that differ in case are one header; X-Reason
 * replaces ours.
 */
export function passedOnHeaders({ headers }: Reply): Record<string, string> {
  const passed = new Map<string, [name: string, text: string]>();
  for (const [name, value] of Object.entries(headers ?? {})) {
    if (passed.size === MAX_HEADERS) break;
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    if (text === undefined || text.length > MAX_HEADER_VALUE || /[\p{Cc}]/u.test(text)) continue;
    if (!isToken(name) || !PASSED_ON.test(name)) continue;
    const key = name.toLowerCase();
    passed.set(key, [key === 'x-reason' ? 'X-Reason' : name, text]);
  }
  return Object.fromEntries(passed.values());
}
