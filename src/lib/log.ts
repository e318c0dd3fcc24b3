import { hostname } from 'node:os';
import { isatty } from 'node:tty';
import pino, { type Logger as PinoLogger } from 'pino';
import { escapeJson, escapeJsonTwice } from './text.ts';
import { TextOutput } from './text-output.ts';
import type { Timers } from './timers.ts';
import { VERSION } from './version.ts';

export type Log = PinoLogger;

type Fields = Record<string, unknown>;

const STDOUT = 1;
const SERVICE = 'sbc-sip-sidecar';

/** Fields that never reach a log, at the top level or one below. */
const SECRETS = new Set(['password', 'secret', 'authorization', 'Authorization', 'token', 'response']);
const HIDDEN = '[hidden]';

/**
 * The log: JSON lines on stdout; for a person at a terminal one readable line each. Lines are written in the background,
 * so await `output.drained` before the process ends. A reader that goes away, at any moment, changes nothing.
 *
 * process.stdout is not used: when its reader goes away, an error event ends the process or, once that is handled, a
 * flush never returns.
 */
export async function createLogger(
  level: string,
  clusterId: string,
  timers: Timers,
): Promise<{ logger: Log; output: TextOutput }> {
  const output = new TextOutput(STDOUT, timers, (lines) =>
    logger.warn({ lines }, 'the reader of stdout was too slow: lines are missing'),
  );
  const format = isatty(STDOUT) ? await prettyFormat() : escapeJson;
  const options = {
    level,
    base: { service: SERVICE, version: VERSION, host: hostname(), clusterId, pid: process.pid },
    // pino's own `redact` parses its paths again for every line.
    formatters: { log: (fields: Fields) => withoutSecrets(fields, 1) },
  };
  const logger = pino(options, { write: (line) => output.write(format(line)) });
  return { logger, output };
}

/** @param levels how far to look into objects within */
function withoutSecrets(fields: Fields, levels: number): Fields {
  let safe = fields;
  for (const [name, value] of Object.entries(fields)) {
    const shown = SECRETS.has(name)
      ? HIDDEN
      : levels > 0 && isFields(value)
        ? withoutSecrets(value, levels - 1)
        : value;
    if (shown === value) continue;
    if (safe === fields) safe = { ...fields };
    safe[name] = shown;
  }
  return safe;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !(value instanceof Error);
}

/** A logger with a level of its own, which a change of the level of `logger` does not touch. */
export function withLevel(logger: Log, level: string): Log {
  const child = logger.child({});
  // As an option of child() pino ignores a level that its parent has, and the child follows the parent.
  child.level = level;
  return child;
}

async function prettyFormat(): Promise<(line: string) => string> {
  const { prettyFactory } = await import('pino-pretty');
  const pretty = prettyFactory({ ignore: 'service,version,host,clusterId,pid', translateTime: 'SYS:HH:MM:ss' });
  // pino-pretty parses the line and prints texts as they are.
  return (line) => pretty(escapeJsonTwice(line));
}
