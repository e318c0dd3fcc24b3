import lock from '../../package-lock.json';

/** An entry of package-lock.json. */
export interface LockedPackage {
  readonly version?: string;
  /** Subresource integrity of the package's archive: `sha512-…`. */
  readonly integrity?: string;
}

const PACKAGES: Readonly<Record<string, LockedPackage>> = lock.packages;

/** The entry of a package that is installed at `directory`, such as `node_modules/pino`. @throws when there is none */
export function locked(directory: string): LockedPackage & { readonly version: string } {
  const { version, ...entry } = PACKAGES[directory] ?? {};
  if (version === undefined) throw new Error(`package-lock.json has no ${directory}`);
  return { version, ...entry };
}

/** The checksum of a package's archive, in hex. @throws when package-lock.json has no SHA-512 */
export function sha512Of({ integrity = '' }: LockedPackage): string {
  const [, base64] = /^sha512-(\S+)$/.exec(integrity) ?? [];
  if (base64 === undefined) throw new Error(`no SHA-512 in package-lock.json: ${integrity}`);
  return Buffer.from(base64, 'base64').toString('hex');
}
