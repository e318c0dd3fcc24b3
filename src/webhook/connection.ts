import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Timer, Timers } from '../lib/timers.ts';
import { unbracketed } from '../sip/ip.ts';
import { MalformedResponse } from './response-head.ts';
import { type HttpResponse, ResponseReader } from './response-reader.ts';

export interface Failure {
  readonly kind: 'unreachable';
  readonly why: string;
}

export type Response = HttpResponse & { readonly kind: 'response' };

interface Exchange {
  readonly request: string;
  readonly reader: ResponseReader;
  /** Whether any byte of the response has come. */
  hasBegun: boolean;
  finish(result: Response | Failure | undefined): void;
}

const IDLE_MS = 60_000;
export const TIMED_OUT: Failure = { kind: 'unreachable', why: 'timed out' };
export const CLOSED: Failure = { kind: 'unreachable', why: 'connection closed' };

/** A connection to a web server. It takes one request at a time, and closes after a minute without any. */
export class Connection {
  readonly origin: string;
  readonly #socket: Socket;
  readonly #timers: Timers;
  #isEstablished = false;
  #isOpen = true;
  #isReused = false;
  #exchange: Exchange | undefined;
  #idle: Timer | undefined;

  /** @param closed called once, when the connection has ended */
  constructor(url: URL, timers: Timers, closed: (connection: Connection) => void) {
    this.origin = url.origin;
    this.#timers = timers;
    this.#socket = openSocket(url, () => {
      this.#isEstablished = true;
      this.#send();
    });
    this.#socket.on('data', (data: Buffer) => this.#receive(data));
    this.#socket.on('end', () => this.#end());
    this.#socket.on('error', (error) => this.#fail({ kind: 'unreachable', why: reasonOf(error) }));
    this.#socket.on('close', () => {
      this.#fail(CLOSED);
      closed(this);
    });
  }

  /** Whether it can take a request. */
  get isFree(): boolean {
    return this.#isOpen && !this.#exchange;
  }

  /**
   * Sends a request. Never rejects; resolves at the latest when aborted, which ends the connection.
   * @param signal not aborted yet
   * @returns undefined when a connection that was used before ends without any byte of a response
   */
  exchange(request: string, signal: AbortSignal): Promise<Response | Failure | undefined> {
    this.#idle?.cancel();
    return new Promise((resolve) => {
      const abort = () => this.#fail(TIMED_OUT);
      const finish: Exchange['finish'] = (result) => {
        signal.removeEventListener('abort', abort);
        this.#exchange = undefined;
        resolve(result);
      };
      this.#exchange = { request, reader: new ResponseReader(), hasBegun: false, finish };
      signal.addEventListener('abort', abort);
      if (this.#isEstablished) this.#send();
    });
  }

  close(): void {
    this.#isOpen = false;
    this.#idle?.cancel();
    this.#socket.destroy();
  }

  #send(): void {
    if (this.#exchange) this.#socket.write(this.#exchange.request);
  }

  #receive(data: Buffer): void {
    const exchange = this.#exchange;
    if (!exchange) {
      this.close();
      return;
    }
    exchange.hasBegun = true;
    try {
      const response = exchange.reader.read(data);
      if (response) this.#succeed(exchange, response);
    } catch (error) {
      if (!(error instanceof MalformedResponse)) throw error;
      this.#fail({ kind: 'unreachable', why: error.message });
    }
  }

  #end(): void {
    const response = this.#exchange?.reader.end();
    if (this.#exchange && response) this.#succeed(this.#exchange, response);
    else this.#fail(CLOSED);
  }

  #succeed(exchange: Exchange, response: HttpResponse): void {
    // A server may respond before it has read the whole request.
    if (!response.isPersistent || this.#socket.writableLength > 0) this.close();
    else this.#idle = this.#timers.after(IDLE_MS, () => this.close());
    this.#isReused = true;
    exchange.finish({ kind: 'response', ...response });
  }

  #fail(failure: Failure): void {
    this.close();
    const exchange = this.#exchange;
    const mayBeRetried = this.#isReused && exchange?.hasBegun === false && failure !== TIMED_OUT;
    exchange?.finish(mayBeRetried ? undefined : failure);
  }
}

/** @param established called when requests may be written: over TLS, when the server has proved its name */
function openSocket({ protocol, hostname, port }: URL, established: () => void): Socket {
  const isSecure = protocol === 'https:';
  const host = unbracketed(hostname);
  const options = { host, port: Number(port || (isSecure ? 443 : 80)), noDelay: true };
  if (!isSecure) return connectTcp(options, established);
  // An address is no server name (RFC 6066 3); the certificate must prove it all the same.
  return connectTls({ ...options, servername: isIP(host) === 0 ? host : '' }, established);
}

/** OpenSSL's codes for certificates that are not accepted, and Node's for one of another host. */
const CERTIFICATE_FAULT = /CERT|VERIFY|SELF_SIGNED/;

function reasonOf(error: Error): string {
  const isCertificate = 'code' in error && CERTIFICATE_FAULT.test(String(error.code));
  return isCertificate ? `certificate not accepted: ${error.message}` : error.message;
}
