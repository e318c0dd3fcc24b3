import type { Config } from '../../config/index.ts';
import { ListenError, tryListen } from '../../edge/index.ts';
import { HttpListenError } from '../../ops/listen-error.ts';
import { tryHttp } from '../../ops/server.ts';
import { joinHostPort } from '../../sip/ip.ts';
import { isPageLocked, PAGE_LOCKED } from '../http.ts';
import { type Finding, note, ok, wrong } from './finding.ts';

/** @param isRunning whether a sidecar runs, which may be the one that listens */
export async function checkListeners({ parts, embedded }: Config, isRunning: boolean): Promise<Finding[]> {
  if (parts.sip !== 'edge') return [];
  return Promise.all(
    embedded.sip.map(async (listener) => {
      try {
        await tryListen(listener, embedded.sharePorts);
        return ok(`${listener.proto}/${listener.host}:${listener.port} is free to listen on`);
      } catch (error) {
        if (!(error instanceof ListenError)) throw error;
        return isRunning && error.code === 'EADDRINUSE' ? note(error.message) : wrong(error.message);
      }
    }),
  );
}

/** The HTTP server's address. @param isRunning as above */
export async function checkHttp({ http }: Config, isRunning: boolean): Promise<Finding[]> {
  if (http.port === 0) return [];
  try {
    await tryHttp(http);
    const free = ok(`HTTP at ${joinHostPort(http.host, http.port)} is free to listen on`);
    return isPageLocked(http) ? [free, note(PAGE_LOCKED)] : [free];
  } catch (error) {
    if (!(error instanceof HttpListenError)) throw error;
    return [isRunning && error.code === 'EADDRINUSE' ? note(error.message) : wrong(error.message)];
  }
}
