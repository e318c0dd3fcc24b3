import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { ListenOptions } from './listen.ts';

interface CertificateFiles {
  /** PEM: the certificate, and those between it and its root. */
  readonly certFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
}

/** Where our certificates are, and whom we believe. */
export interface TlsOptions {
  /** A client gets the first of those for the name that it asks for (SNI, RFC 6066 3), else the first of all. */
  readonly certificates: readonly [CertificateFiles, ...CertificateFiles[]];
  /** Whether a server that we connect to must prove its name; true unless told otherwise. */
  readonly verify?: boolean;
  /** PEM of the authorities that we believe, instead of those that come with the runtime. */
  readonly ca?: string;
}

/** A certificate or its key cannot be used; the message says which and why. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/** RFC 8996: what is older is broken. */
const MIN_VERSION = 'TLSv1.2';

/** What a name in a handshake looks like; anything else is no name of ours. */
const DNS_NAME = /^[\w.-]{1,253}$/;

interface Ours {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: typeof MIN_VERSION;
}

interface Named {
  readonly ours: Ours;
  readonly context: SecureContext;
  readonly leaf: X509Certificate;
}

/** Our certificates and keys, and what we ask of others'. */
export class Certificates {
  #all: readonly [Named, ...Named[]];
  readonly #listeners: ((ours: Ours) => void)[] = [];

  /** Those that the listeners need; undefined when none of them uses TLS. @throws CertificateError */
  static forListeners({ listen, tls }: Pick<ListenOptions, 'listen' | 'tls'>): Certificates | undefined {
    if (!listen.some(({ proto }) => proto === 'tls' || proto === 'wss')) return undefined;
    if (!tls) throw new CertificateError('tls and wss need a certificate and its key');
    return new Certificates(tls);
  }

  /** Reads the files. @throws CertificateError */
  constructor(private readonly options: TlsOptions) {
    this.#all = readAll(options);
  }

  /** For clients that ask for no name of ours. */
  get first(): Ours {
    return this.#all[0].ours;
  }

  /** For a client that asks for that name; undefined is the first. */
  named(name: string): SecureContext | undefined {
    if (this.#all.length === 1 || !DNS_NAME.test(name)) return undefined;
    return this.#all.find(({ leaf }) => leaf.checkHost(name) !== undefined)?.context;
  }

  get theirs() {
    const { verify = true, ca } = this.options;
    return { minVersion: MIN_VERSION, rejectUnauthorized: verify, ...(ca !== undefined && { ca }) } as const;
  }

  /** Whether the name of a peer means anything. */
  get verify(): boolean {
    return this.options.verify ?? true;
  }

  /** Calls back with the {@link first}, whenever certificates are read again. */
  onChange(listener: (ours: Ours) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads the files again; open connections stay as they are. @throws CertificateError, and all stays as it was */
  reload(): void {
    this.#all = readAll(this.options);
    for (const listener of this.#listeners) listener(this.first);
  }
}

function readAll({ certificates: [first, ...others] }: TlsOptions): [Named, ...Named[]] {
  return [readOurs(first), ...others.map(readOurs)];
}

function readOurs({ certFile, keyFile }: CertificateFiles): Named {
  const ours = { cert: read(certFile), key: read(keyFile), minVersion: MIN_VERSION } as const;
  try {
    return { ours, context: createSecureContext(ours), leaf: new X509Certificate(ours.cert) };
  } catch (error) {
    throw new CertificateError(`TLS: ${certFile} and ${keyFile} do not go together: ${messageOf(error)}`);
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CertificateError(`TLS: ${file} cannot be read: ${messageOf(error)}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
