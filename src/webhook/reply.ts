import * as v from 'valibot';
import { defined } from '../lib/defined.ts';
import { parseJson } from '../lib/json.ts';
import type { Grant } from '../ports/location.ts';
import { isToken } from '../sip/syntax.ts';

/** Characters; call hooks are stored with every binding. */
const MAX_HOOK = 4096;
const MAX_HEADERS = 20;
const MAX_HEADER_VALUE = 1024;

const flag = v.optional(v.pipe(v.unknown(), v.transform(Boolean)));
const hook = v.optional(
  v.pipe(
    v.unknown(),
    v.check((hook) => JSON.stringify(hook).length <= MAX_HOOK, 'too long'),
  ),
);
/** Some customers send numbers as strings. */
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

export type Reply = v.InferOutput<typeof replySchema>;

/** Headers that a SIP stack sets itself, or that would change the meaning of a 403 (RFC 3261 20), in lower case. */
const STACK_HEADERS = new Set([
  'via',
  'v',
  'from',
  'f',
  'to',
  't',
  'call-id',
  'i',
  'cseq',
  'content-length',
  'l',
  'content-type',
  'c',
  'contact',
  'm',
  'max-forwards',
  'record-route',
  'route',
  'www-authenticate',
  'proxy-authenticate',
  'require',
]);

/** @returns undefined when the body is not a valid reply */
export function parseReply(body: string): Reply | undefined {
  const parsed = v.safeParse(replySchema, parseJson(body));
  return parsed.success ? parsed.output : undefined;
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

/** The reply's headers that may go into the 403: none of the SIP stack's, and none with line breaks. */
export function passedOnHeaders({ headers }: Reply): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers ?? {}).slice(0, MAX_HEADERS)) {
    const text = typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
    if (text === undefined || text.length > MAX_HEADER_VALUE || /[\p{Cc}]/u.test(text)) continue;
    if (isToken(name) && !STACK_HEADERS.has(name.toLowerCase())) passed[name] = text;
  }
  return passed;
}
