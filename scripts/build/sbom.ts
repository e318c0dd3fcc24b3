import { description, license, name, version } from '../../package.json';
import type { BundledPackage } from './packages.ts';
import { RUNTIME_PARTS, type RuntimePart } from './runtime-parts.ts';
import type { Runtime } from './runtimes.ts';
import { sha256 } from './sha256.ts';
import type { Stamp } from './stamp.ts';

/** A component of CycloneDX, as far as we have any use for its properties. */
interface Component {
  readonly type: 'application' | 'library' | 'platform';
  readonly 'bom-ref': string;
  readonly group?: string;
  readonly name: string;
  readonly version?: string;
  readonly description?: string;
  readonly licenses: readonly object[];
  readonly hashes?: readonly { readonly alg: 'SHA-256' | 'SHA-512'; readonly content: string }[];
  readonly purl?: string;
  readonly externalReferences?: readonly { readonly type: 'vcs' | 'website'; readonly url: string }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
  readonly components?: readonly Component[];
}

export interface SbomOptions {
  /** The binary. */
  readonly outfile: string;
  readonly runtime: Runtime;
  readonly packages: readonly BundledPackage[];
  readonly stamp: Stamp;
}

/** The bill of materials of a binary, as JSON of CycloneDX 1.6: the packages that are inside, and the runtime. */
export async function sbom({ outfile, runtime, packages, stamp }: SbomOptions): Promise<string> {
  const digest = await sha256(outfile);
  const root: Component = {
    type: 'application',
    'bom-ref': name,
    name,
    version,
    description,
    licenses: licenses(license),
    hashes: [{ alg: 'SHA-256', content: digest }],
    properties: [
      { name: `${name}:target`, value: runtime.target.name },
      { name: `${name}:commit`, value: stamp.commit },
    ],
  };
  const platform = bun(runtime);
  const refs = new Map(packages.map((one) => [one.directory, ref(one)]));
  const graph = packages.map((one) => ({
    ref: ref(one),
    dependsOn: one.imports.flatMap((path) => refs.get(path) ?? []),
  }));
  const direct = packages.filter((one) => one.direct).map(ref);
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuid(digest)}`,
    version: 1,
    metadata: {
      ...(stamp.time === undefined ? {} : { timestamp: stamp.time }),
      lifecycles: [{ phase: 'build' }],
      component: root,
    },
    components: [platform, ...packages.map(library)],
    dependencies: [{ ref: name, dependsOn: [platform['bom-ref'], ...direct] }, { ref: platform['bom-ref'] }, ...graph],
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function library(one: BundledPackage): Component {
  const [scope, unscoped] = one.name.startsWith('@') ? one.name.split('/') : [undefined, one.name];
  return {
    type: 'library',
    'bom-ref': ref(one),
    ...(scope === undefined ? {} : { group: scope }),
    name: unscoped ?? one.name,
    version: one.version,
    licenses: licenses(one.license),
    hashes: [{ alg: 'SHA-512', content: one.sha512 }],
    purl: purl(one.name, one.version),
  };
}

/** The same package may be inside twice, in one version. */
function ref({ directory, name, version }: BundledPackage): string {
  const nested = directory !== `node_modules/${name}`;
  return nested ? `${purl(name, version)}#${directory}` : purl(name, version);
}

function bun(runtime: Runtime): Component {
  return {
    type: 'platform',
    'bom-ref': purl(runtime.target.package, runtime.version),
    name: 'bun',
    version: runtime.version,
    description: 'JavaScript runtime',
    licenses: licenses('MIT'),
    hashes: [{ alg: 'SHA-512', content: runtime.sha512 }],
    purl: purl(runtime.target.package, runtime.version),
    components: RUNTIME_PARTS.map((part) => linked(part)),
  };
}

function linked({ name, license, source, version }: RuntimePart): Component {
  return {
    type: 'library',
    'bom-ref': `bun/${name}`,
    name,
    ...(version === undefined ? {} : { version }),
    licenses: licenses(license),
    externalReferences: [{ type: source.startsWith('https://github.com/') ? 'vcs' : 'website', url: source }],
  };
}

/** package-url.github.io, type npm. */
function purl(name: string, version: string): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

function licenses(expression: string): readonly object[] {
  if (expression === 'several') return [{ license: { name: 'several' } }];
  return / (OR|AND) /.test(expression) ? [{ expression }] : [{ license: { id: expression } }];
}

/** A UUID (RFC 9562, version 8) that is the same for the same binary. */
function uuid(hex: string): string {
  const variant = '89ab'[Number.parseInt(hex.charAt(16), 16) % 4];
  const parts = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`];
  return `${parts.join('-')}-${hex.slice(20, 32)}`;
}
