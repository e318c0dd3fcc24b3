import { connect } from 'node:net';

/** A process that accepts connections but does not say who it is within this is one all the same, milliseconds. */
const PATIENCE_MS = 1000;

/**
 * Finds out who listens on a socket file.
 * @returns `pid 1234`, or `another process` when it does not say; undefined when nobody does
 */
export function ownerOf(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect(path);
    let connected = false;
    let text = '';
    const settle = (owner: string | undefined) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(owner);
    };
    const timer = setTimeout(() => settle('another process'), PATIENCE_MS);
    socket.once('connect', () => {
      connected = true;
      socket.write('{"action":"status"}\n');
    });
    socket.on('data', (chunk) => {
      text += chunk;
      const pid = /"pid":(\d+)/.exec(text)?.[1];
      if (pid !== undefined) settle(`pid ${pid}`);
      else if (text.includes('\n')) settle('another process');
    });
    socket.once('error', () => settle(connected ? 'another process' : undefined));
    socket.once('close', () => settle(connected ? 'another process' : undefined));
  });
}
