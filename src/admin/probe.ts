import { AdminError, BrokenAnswerError, NoSidecarError } from './errors.ts';
import { LineConnection } from './line-connection.ts';

const STATUS_TIMEOUT_MS = 1000;

/**
 * Finds the process that listens on a socket file. Reads only the pid of its answer: it may be of another version.
 * @returns `pid 1234`, or `another process` when it does not answer with a pid; undefined when no process listens
 */
export async function ownerOf(path: string): Promise<string | undefined> {
  let connection: LineConnection;
  try {
    connection = await LineConnection.open(path);
  } catch (error) {
    if (!(error instanceof NoSidecarError)) throw error;
    return undefined;
  }
  try {
    const pid = /"pid":(\d+)/.exec(await connection.exchange('{"action":"status"}', STATUS_TIMEOUT_MS))?.[1];
    return pid === undefined ? 'another process' : `pid ${pid}`;
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    return 'another process';
  } finally {
    connection.close(new BrokenAnswerError('asked enough'));
  }
}
