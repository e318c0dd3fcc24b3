import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { ListenOptions } from './listen.ts';

interface CertificateFiles {
  /** PEM: the certificate and its intermediates. */
  readonly certFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
}

export interface TlsOptions {
  /** A client gets the first one for its SNI name (RFC 6066 3), else the first of all. */
  readonly certificates: readonly [CertificateFiles, ...CertificateFiles[]];
  /** Whether a server that we connect to must prove its name; true by default. */
  readonly verify?: boolean;
  /** PEM of the trusted authorities, instead of the runtime's. */
  readonly ca?: string;
}

/** A certificate or its key cannot be used; the message names the file and the reason. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/** RFC 8996 deprecates older versions. */
const MIN_VERSION = 'TLSv1.2';

const DNS_NAME = /^[\w.-]{1,253}$/;

interface ServerCertificate {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: typeof MIN_VERSION;
}

interface LoadedCertificate {
  readonly certificate: ServerCertificate;
  readonly context: SecureContext;
  readonly leaf: X509Certificate;
}

/** The edge's certificates and keys, and the verification of its peers'. */
export class Certificates {
  #all: readonly [LoadedCertificate, ...LoadedCertificate[]];
  readonly #listeners: ((first: ServerCertificate) => void)[] = [];

  /** Undefined when no listener uses TLS. @throws CertificateError */
  static forListeners({ listen, tls }: Pick<ListenOptions, 'listen' | 'tls'>): Certificates | undefined {
    if (!listen.some(({ proto }) => proto === 'tls' || proto === 'wss')) return undefined;
    if (!tls) throw new CertificateError('tls and wss need a certificate and its key');
    return new Certificates(tls);
  }

  /** @throws CertificateError */
  constructor(private readonly options: TlsOptions) {
    this.#all = readAll(options);
  }

  get first(): ServerCertificate {
    return this.#all[0].certificate;
  }

  /** For a client with that SNI name; undefined means {@link first}. */
  named(name: string): SecureContext | undefined {
    if (this.#all.length === 1 || !DNS_NAME.test(name)) return undefined;
    return this.#all.find(({ leaf }) => leaf.checkHost(name) !== undefined)?.context;
  }

  get clientOptions() {
    const { verify = true, ca } = this.options;
    return { minVersion: MIN_VERSION, rejectUnauthorized: verify, ...(ca !== undefined && { ca }) } as const;
  }

  get verify(): boolean {
    return this.options.verify ?? true;
  }

  /** Calls `listener` with {@link first} after every {@link reload}. */
  onChange(listener: (first: ServerCertificate) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads the files again, for new connections. @throws CertificateError and keeps the old ones */
  reload(): void {
    this.#all = readAll(this.options);
    for (const listener of this.#listeners) listener(this.first);
  }
}

function readAll({ certificates: [first, ...others] }: TlsOptions): [LoadedCertificate, ...LoadedCertificate[]] {
  return [loadCertificate(first), ...others.map(loadCertificate)];
}

function loadCertificate({ certFile, keyFile }: CertificateFiles): LoadedCertificate {
  const certificate = { cert: read(certFile), key: read(keyFile), minVersion: MIN_VERSION } as const;
  try {
    return { certificate, context: createSecureContext(certificate), leaf: new X509Certificate(certificate.cert) };
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
