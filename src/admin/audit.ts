import type { Logger } from '../lib/logger.ts';
import { cut } from '../lib/text.ts';
import { userName } from '../lib/user.ts';
import type { ActionName } from './protocol.ts';

/** Who asks for an action. What is not known is absent. */
export interface Operator {
  /** Of the process at the other end of the admin socket. */
  readonly uid?: number;
  readonly pid?: number;
  /** The address of an HTTP client. */
  readonly source?: string;
}

/** The actions that change something, and which of their parameters are logged. The value of a setting may be a secret. */
const ACTS: Partial<Record<ActionName, readonly string[]>> = {
  'fs-drain': ['server', 'force'],
  'fs-undrain': ['server'],
  set: ['key'],
  add: ['key'],
  remove: ['key'],
  'trunk-refresh': ['gateway'],
  'ban-clear': ['ip'],
  'reg-remove': ['aor', 'contact'],
  reload: [],
};

/** Characters. */
const MAX_PARAMETER = 256;

/** Logs an action that changes something, and who asked for it. @param answer as the operator gets it */
export function audit(logger: Logger, action: ActionName, request: unknown, answer: object, operator: Operator): void {
  const names = ACTS[action];
  if (!names) return;
  const { uid, pid, source } = operator;
  const user = uid === undefined ? undefined : userName(uid);
  const asked: object = Object(request);
  const parameters = Object.fromEntries(names.map((name) => [name, shown(Reflect.get(asked, name))]));
  // Only our own settings have an effect, and none of them is a secret.
  const value = Reflect.get(answer, 'effect') === true ? shown(Reflect.get(answer, 'value')) : undefined;
  const done = Reflect.get(answer, 'success') === true;
  const why = done ? undefined : shown(Reflect.get(answer, 'error'));
  const result = done ? 'done' : 'refused';
  // `pid` is in every line, and our own.
  logger.info(
    { act: action, ...parameters, value, uid, user, peerPid: pid, source, result, why },
    'act of an operator',
  );
}

function shown(parameter: unknown): string | boolean | undefined {
  if (typeof parameter === 'boolean') return parameter;
  return typeof parameter === 'string' ? cut(parameter, MAX_PARAMETER) : undefined;
}
