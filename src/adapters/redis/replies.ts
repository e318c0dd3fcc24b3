import { QueryFault } from '../../ports/errors.ts';

// Replies by their shape. Any other shape comes from a faulty proxy, or from a server that is no Redis.

/** @throws QueryFault */
export function integerOf(reply: unknown): number {
  if (typeof reply === 'number' && Number.isSafeInteger(reply)) return reply;
  throw unexpected(reply);
}

/** @returns undefined for nil @throws QueryFault */
export function textOf(reply: unknown): string | undefined {
  if (typeof reply === 'string') return reply;
  if (reply === null) return undefined;
  throw unexpected(reply);
}

/** @throws QueryFault */
export function textsOf(reply: unknown): string[] {
  return listOf(reply).map((item) => {
    if (typeof item === 'string') return item;
    throw unexpected(reply);
  });
}

/** @throws QueryFault */
export function listOf(reply: unknown): readonly unknown[] {
  if (Array.isArray(reply)) return reply;
  throw unexpected(reply);
}

function unexpected(reply: unknown): QueryFault {
  const kind = reply === null ? 'nil' : Array.isArray(reply) ? `a list of ${reply.length}` : `a ${typeof reply}`;
  return new QueryFault('Redis', `unexpected reply: ${kind}`, 'UNEXPECTED');
}
