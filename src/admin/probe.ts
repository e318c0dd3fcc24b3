import { AdminError, BrokenAnswerError, NoSidecarError } from './errors.ts';
import { Wire } from './wire.ts';

/** A process that accepts connections but does not say who it is within this is one all the same, milliseconds. */
const PATIENCE_MS = 1000;

/**
 * Finds out who listens on a socket file. Only the pid is read of the answer: the other one may be of another version.
 * @returns `pid 1234`, or `another process` when it does not say; undefined when nobody does
 */
export async function ownerOf(path: string): Promise<string | undefined> {
  let wire: Wire;
  try {
    wire = await Wire.open(path);
  } catch (error) {
    if (!(error instanceof NoSidecarError)) throw error;
    return undefined;
  }
  try {
    const pid = /"pid":(\d+)/.exec(await wire.ask('{"action":"status"}', PATIENCE_MS))?.[1];
    return pid === undefined ? 'another process' : `pid ${pid}`;
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    return 'another process';
  } finally {
    wire.close(new BrokenAnswerError('asked enough'));
  }
}
