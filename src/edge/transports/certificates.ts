import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** Where our certificate is, and whom we believe. */
export interface TlsOptions {
  /** PEM: the certificate, and those between it and its root. */
  readonly certFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
  /** Whether a server that we connect to must prove its name; true unless told otherwise. */
  readonly verify?: boolean;
  /** PEM of the authorities that we believe, instead of those that come with the runtime. */
  readonly ca?: string;
}

/** The certificate or its key cannot be used; the message says which and why. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError';
}

/** RFC 8996: what is older is broken. */
const MIN_VERSION = 'TLSv1.2';

interface Ours {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: typeof MIN_VERSION;
}

/** Our certificate and key, and what we ask of others'. */
export class Certificates {
  #ours: Ours;
  readonly #listeners: ((ours: Ours) => void)[] = [];

  /** Reads the files. @throws CertificateError */
  constructor(private readonly options: TlsOptions) {
    this.#ours = readOurs(options);
  }

  get ours(): Ours {
    return this.#ours;
  }

  get theirs() {
    const { verify = true, ca } = this.options;
    return { minVersion: MIN_VERSION, rejectUnauthorized: verify, ...(ca !== undefined && { ca }) } as const;
  }

  /** Whether the name of a peer means anything. */
  get verify(): boolean {
    return this.options.verify ?? true;
  }

  /** Calls back with what is to be shown to clients from now on, whenever it changes. */
  onChange(listener: (ours: Ours) => void): void {
    this.#listeners.push(listener);
  }

  /** Reads the files again; open connections stay as they are. @throws CertificateError, and all stays as it was */
  reload(): void {
    this.#ours = readOurs(this.options);
    for (const listener of this.#listeners) listener(this.#ours);
  }
}

function readOurs({ certFile, keyFile }: TlsOptions): Ours {
  const ours = { cert: read(certFile), key: read(keyFile), minVersion: MIN_VERSION } as const;
  try {
    createSecureContext(ours);
  } catch (error) {
    throw new CertificateError(`TLS: ${certFile} and ${keyFile} do not go together: ${messageOf(error)}`);
  }
  return ours;
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
