import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { createServer, type TlsOptions } from 'node:tls';
import { temporaryDirectory } from './cleanup.ts';
import { secret } from './secrets.ts';

export interface TestCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

interface CertificateOptions {
  readonly uris?: readonly string[];
  readonly commonName?: string;
  /** Validity; -1 for one that has expired. */
  readonly days?: number;
}

export class TestAuthority {
  readonly #directory = temporaryDirectory('certificates');
  readonly #key = this.#path('ca.key');
  readonly caFile = this.#path('ca.pem');
  #count = 0;

  constructor() {
    openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      this.#key,
      '-out',
      this.caFile,
      '-days',
      '2',
      '-subj',
      '/CN=Test CA',
    );
  }

  certificate(
    names: readonly string[],
    addresses: readonly string[] = [],
    { uris = [], commonName, days = 2 }: CertificateOptions = {},
  ): TestCertificate {
    const id = ++this.#count;
    const certFile = this.#path(`${id}.pem`);
    const keyFile = this.#path(`${id}.key`);
    const request = this.#path(`${id}.csr`);
    const extensions = this.#path(`${id}.ext`);
    const alternatives = [
      ...names.map((name) => `DNS:${name}`),
      ...addresses.map((address) => `IP:${address}`),
      ...uris.map((uri) => `URI:${uri}`),
    ];
    const subjectAltName = alternatives.length > 0 ? `subjectAltName=${alternatives.join()}\n` : '';
    writeFileSync(extensions, `basicConstraints=CA:FALSE\n${subjectAltName}`);
    openssl('req', ...NEW_KEY, '-keyout', keyFile, '-out', request, '-subj', `/CN=${commonName ?? `test ${id}`}`);
    const signer = ['-CA', this.caFile, '-CAkey', this.#key, '-set_serial', String(id)];
    openssl('x509', '-req', '-in', request, ...signer, '-days', `${days}`, '-extfile', extensions, '-out', certFile);
    registerKey(keyFile);
    return { certFile, keyFile };
  }

  /** Its own, self-signed. */
  get root(): TestCertificate {
    return { certFile: this.caFile, keyFile: this.#key };
  }

  /** Writes a file beside the certificates. @returns its path */
  file(name: string, text: string): string {
    const path = this.#path(name);
    writeFileSync(path, text);
    return path;
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

// Each is made on first use, because openssl is slow.
let made: TestAuthority | undefined;
let other: TestAuthority | undefined;
let serves: TestCertificate | undefined;
export const authority = {
  get own(): TestAuthority {
    made ??= new TestAuthority();
    return made;
  },
  /** One that the edge does not trust. */
  get stranger(): TestAuthority {
    other ??= new TestAuthority();
    return other;
  },
  get ca(): string {
    return readFileSync(this.own.caFile, 'utf8');
  },
  server({ certFile, keyFile }: TestCertificate, options: TlsOptions = {}): Server {
    return createServer({ cert: readFileSync(certFile), key: readFileSync(keyFile), ...options });
  },
};

/** For sip.edge.test and loopback addresses. */
export function serverCertificate(): TestCertificate {
  serves ??= authority.own.certificate(['sip.edge.test'], ['127.0.0.1', '127.0.0.2', '::1']);
  return serves;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

function openssl(...args: string[]): void {
  const { status, error, stderr } = spawnSync('openssl', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`openssl ${args[0]}: ${error?.message ?? stderr}`);
}

function registerKey(file: string): void {
  for (const line of readFileSync(file, 'utf8').split('\n'))
    if (line !== '' && !line.startsWith('-----')) secret('a private key', line);
}
