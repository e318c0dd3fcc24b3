import * as v from 'valibot';
import { parseJson } from '../lib/json.ts';
import type { Grant } from '../ports/location.ts';
import { isToken } from '../sip/syntax.ts';

/** Of call hooks, which are stored with every binding. */
const MAX_HOOK = 4096;
const MAX_HEADERS = 20;
const MAX_HEADER = 1024;

const flag = v.optional(v.pipe(v.unknown(), v.transform(Boolean)));
const hook = v.optional(
  v.pipe(
    v.unknown(),
    v.check((hook) => JSON.stringify(hook).length <= MAX_HOOK, 'too long'),
  ),
);
/** Customers write numbers as texts too. */
const seconds = v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.integer(), v.minValue(0));

const replySchema = v.object({
  status: v.string(),
  msg: v.optional(v.string()),
  expires: v.nullish(seconds),
  call_hook: hook,
  call_status_hook: hook,
  allow_direct_app_calling: flag,
  allow_direct_queue_calling: flag,
  allow_direct_user_calling: flag,
  blacklist: v.optional(v.unknown()),
  headers: v.nullish(v.record(v.string(), v.unknown())),
});

/** What a registration webhook may answer. */
export type Reply = v.InferOutput<typeof replySchema>;

/** Headers that a SIP stack writes itself, or that would change what the 403 means (RFC 3261 20). */
const STACK_HEADERS = new Set([
  ...['via', 'v', 'from', 'f', 'to', 't', 'call-id', 'i', 'cseq', 'content-length', 'l', 'content-type', 'c'],
  ...['contact', 'm', 'max-forwards', 'record-route', 'route', 'www-authenticate', 'proxy-authenticate', 'require'],
]);

/** undefined when the body is no JSON, no reply, or has no status. */
export function parseReply(body: string): Reply | undefined {
  const parsed = v.safeParse(replySchema, parseJson(body));
  return parsed.success ? parsed.output : undefined;
}

export function grantOf(reply: Reply): Grant {
  return {
    ...(reply.call_hook ? { callHook: reply.call_hook } : {}),
    ...(reply.call_status_hook ? { callStatusHook: reply.call_status_hook } : {}),
    allowDirectAppCalling: reply.allow_direct_app_calling ?? false,
    allowDirectQueueCalling: reply.allow_direct_queue_calling ?? false,
    allowDirectUserCalling: reply.allow_direct_user_calling ?? false,
  };
}

/** The reply's headers as far as they may go into a 403: none of the stack's, and nothing that could end a line. */
export function passedOnHeaders({ headers }: Reply): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {}).slice(0, MAX_HEADERS)) {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    if (text === undefined || text.length > MAX_HEADER || /[\p{Cc}]/u.test(text)) continue;
    if (isToken(name) && !STACK_HEADERS.has(name.toLowerCase())) passed[name] = text;
  }
  return passed;
}
