import { basename } from 'node:path';
import type { Flags } from './flags.ts';

export interface NamedBinary {
  readonly name: string;
  readonly path: string;
}

/** The flag `--binary` of a benchmark that compares several. */
export function binariesFlag(flags: Flags): readonly NamedBinary[] {
  return flags.list('binary', {
    value: '[name=]path',
    help: 'the sidecar; several are loaded in turn, run by run (A B A B)',
    default: 'dist/sbc-sip-sidecar',
    expected: 'a path or name=path',
    read: readBinary,
  });
}

function readBinary(text: string): NamedBinary | undefined {
  const [, name, path] = /^(?:([^=]+)=)?(.+)$/.exec(text) ?? [];
  return path === undefined ? undefined : { name: name ?? basename(path), path };
}
