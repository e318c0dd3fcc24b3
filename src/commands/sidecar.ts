import { type AdminClient, requestOnce, streamOf, usualSocketPath } from '../admin/client.ts';
import { AdminError, DeniedError, NoSidecarError, StoppedError, TimedOutError } from '../admin/errors.ts';
import type { ActionName, Params, StreamName, StreamPart, StreamRequest, Success } from '../admin/protocol.ts';
import { json, print } from './output.ts';
import { EXIT, Failure } from './run.ts';

export const JSON_FLAG = {
  json: { type: 'boolean', description: 'Print the answer as one JSON document and nothing else' },
} as const;

/** Reads the variable without Config, which takes too long to load. */
export function socketPath(): string {
  return process.env.SBC_SOCKET_PATH || usualSocketPath();
}

/**
 * Sends one request, over `client` if given.
 * @throws Failure with the message and exit code
 */
export async function askSidecar<A extends ActionName>(
  action: A,
  params: Params<A>,
  client?: AdminClient,
): Promise<Success<A>> {
  try {
    return await (client ? client.request(action, params) : requestOnce(action, params, { socketPath: socketPath() }));
  } catch (error) {
    throw failureOf(error);
  }
}

/**
 * The parts of a stream, which ends when `signal` is aborted.
 * @throws Failure with the message and exit code
 */
export async function* streamFromSidecar<A extends StreamName>(
  name: A,
  params: StreamRequest<A>,
  signal?: AbortSignal,
): AsyncGenerator<StreamPart<A>, void> {
  try {
    yield* streamOf(name, params, { socketPath: socketPath(), ...(signal && { signal }) });
  } catch (error) {
    throw failureOf(error);
  }
}

export async function show(
  args: { readonly json?: boolean | undefined },
  answer: Success,
  text: string,
): Promise<void> {
  await print(args.json ? json(answer) : text);
}

function failureOf(error: unknown): unknown {
  if (!(error instanceof AdminError)) return error;
  if (error instanceof NoSidecarError)
    return new Failure(`${error.message}. To start one: sbc-sip-sidecar serve`, EXIT.noSidecar);
  if (error instanceof StoppedError) return new Failure(error.message, EXIT.noSidecar);
  if (error instanceof DeniedError) return new Failure(error.message, EXIT.denied);
  return new Failure(error.message, error instanceof TimedOutError ? EXIT.timedOut : EXIT.failed);
}
