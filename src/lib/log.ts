import pino, { type Logger as PinoLogger } from 'pino';
import { escapeJson, escapeJsonTwice } from './text.ts';

export type Log = PinoLogger;

/** Fields that never reach a log, at the top level or one below. */
const SECRETS = ['password', 'secret', 'authorization', 'Authorization', 'token', 'response'];

/**
 * The log: JSON lines on stdout; for a person at a terminal one readable line each. Lines are written in the background,
 * so call flush before the process ends.
 */
export async function createLogger(level: string): Promise<Log> {
  const options = {
    level,
    base: { pid: process.pid },
    redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[hidden]' },
  };
  if (process.stdout.isTTY) {
    const { default: pretty } = await import('pino-pretty');
    // pino-pretty parses the line and prints texts as they are.
    const terminal = { ...options, hooks: { streamWrite: escapeJsonTwice } };
    return pino(terminal, pretty({ sync: true, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss' }));
  }
  return pino({ ...options, hooks: { streamWrite: escapeJson } }, pino.destination({ fd: 1, sync: false }));
}
