import type { Socket } from 'node:net';
import type { Timers } from '../lib/timers.ts';

/** For a client that does not ask anything. */
const PATIENCE_MS = 1000;
const LINE_BREAK = 0x0a;

/**
 * Answers a client's first request with an error and closes the connection. Without a request it does so after a second, and
 * not at once: Bun's client would take that for a failure to connect.
 */
export function refuseClient(socket: Socket, error: string, timers: Timers): void {
  const timer = timers.after(PATIENCE_MS, () => refuse(socket, error));
  socket.on('data', (chunk: Buffer) => {
    if (chunk.includes(LINE_BREAK)) refuse(socket, error);
  });
  socket.on('error', () => {});
  socket.on('close', () => timer.cancel());
}

/** Answers with an error and closes the connection. */
export function refuse(socket: Socket, error: string): void {
  if (socket.writable) socket.write(`${JSON.stringify({ success: false, error })}\n`);
  socket.destroySoon();
}
