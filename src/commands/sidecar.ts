import type { Success } from '../admin/answers.ts';
import { type AdminConnection, ask } from '../admin/client.ts';
import { AdminError, NoSidecarError, TimedOutError } from '../admin/errors.ts';
import { type ActionName, type Actions, DEFAULT_SOCKET_PATH } from '../admin/protocol.ts';
import { json, print } from './output.ts';
import { EXIT, Failure } from './run.ts';

/** The flag that every command which asks the sidecar has. */
export const JSON_FLAG = {
  json: { type: 'boolean', description: 'Print the answer as one JSON document and nothing else' },
} as const;

/** Read here and not through Config: reading that takes longer than a whole command may. */
export function socketPath(): string {
  return process.env.SBC_SOCKET_PATH || DEFAULT_SOCKET_PATH;
}

/**
 * Asks the sidecar one thing.
 * @throws Failure with what to tell, and the exit code
 */
export async function askSidecar<A extends ActionName>(
  action: A,
  asked: Actions[A]['asked'],
  connection?: AdminConnection,
): Promise<Success<A>> {
  try {
    return await (connection ? connection.ask(action, asked) : ask(action, asked, { socketPath: socketPath() }));
  } catch (error) {
    throw failureOf(error);
  }
}

/** Prints the answer: with `--json` as it is, else the text. */
export async function show(
  args: { readonly json?: boolean | undefined },
  answer: Success,
  text: string,
): Promise<void> {
  await print(args.json ? json(answer) : text);
}

/** What to tell about a failed request, and with which exit code; what is no fault of the other side stays as it is. */
function failureOf(error: unknown): unknown {
  if (!(error instanceof AdminError)) return error;
  if (error instanceof NoSidecarError)
    return new Failure(`${error.message}. To start one: sbc-sip-sidecar serve`, EXIT.noSidecar);
  return new Failure(error.message, error instanceof TimedOutError ? EXIT.timedOut : EXIT.failed);
}
