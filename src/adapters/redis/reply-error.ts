import { type DependencyError, QueryFault, Unavailable } from '../../ports/errors.ts';

/** Error replies of a server that answers no client in its present state, or not from this connection. */
const OUTAGES = new Set([
  'BUSY',
  'CLUSTERDOWN',
  'DENIED',
  'LOADING',
  'MASTERDOWN',
  'NOAUTH',
  'READONLY',
  'UNKILLABLE',
  'WRONGPASS',
]);
/** Sent in place of the first answer; the server closes the connection then. */
const TOO_MANY_CLIENTS = /^ERR max number of clients/;
/** An error within a script, as Redis 6 wraps it: `ERR Error running script (…): @user_script:57: @user_script: 57: -OOM …`. */
const WITHIN_SCRIPT = /@user_script: ?\d+: -?([A-Z]{2,})\b/;
const CODE = /^-?([A-Z]{2,})\b/;
/** Placeholder for an error without a code. */
const NO_CODE = 'ERR';

/** The arguments that Redis repeats of a command it does not know; those of AUTH and HELLO are a password. */
const REPEATED_ARGUMENTS = /, with args beginning with:.*/s;

/** The message of an error of ioredis, without what may be a password. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(REPEATED_ARGUMENTS, '');
}

/** What an error reply of Redis means, whether it is the reply of a command or wrapped as that of a script. */
export function replyFault(message: string): DependencyError {
  const code = replyCode(message);
  return OUTAGES.has(code) || TOO_MANY_CLIENTS.test(message)
    ? new Unavailable('Redis', message)
    : new QueryFault('Redis', message, code);
}

/** Whether the server has become a replica, so that a new connection may find the master. */
export function isReadOnly(message: string): boolean {
  return replyCode(message) === 'READONLY';
}

function replyCode(message: string): string {
  const [, code = NO_CODE] = WITHIN_SCRIPT.exec(message) ?? CODE.exec(message) ?? [];
  return code;
}
