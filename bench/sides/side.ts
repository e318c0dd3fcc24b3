import { eventually } from '../../test/support/eventually.ts';
import { Phone } from '../lib/phone.ts';
import type { Watched } from '../lib/proc.ts';
import type { Target } from '../register/source.ts';

const START_MS = 30_000;

/** A registrar that the benchmarks compare with others, running. */
export interface Side {
  readonly name: string;
  readonly target: Target;
  /** Of user1 and so on: `%d` becomes the number. */
  readonly passwordPattern: string;
  /** Those of the registrar are named `program`; what stands beside it has a name of its own. */
  readonly processes: readonly Watched[];
  readonly versions: Readonly<Record<string, string>>;
}

/** A side that this machine cannot run. */
export interface Absent {
  readonly name: string;
  /** With what would help. */
  readonly missing: string;
}

/** Resolves when an OPTIONS is answered 200. @throws after 30 s */
export async function untilAnswering(name: string, { port }: Target): Promise<void> {
  const phone = await Phone.open('udp', port, 1);
  const answered = async () => (await phone.request('OPTIONS')).startsWith('SIP/2.0 200 ') || undefined;
  try {
    await eventually(`${name} answering`, answered, { deadlineMs: START_MS });
  } finally {
    phone.close();
  }
}

/** The first match of a pattern in what a command prints: its version. */
export async function versionOf(command: readonly string[], pattern: RegExp): Promise<string> {
  const child = Bun.spawn([...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  const [out, error] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return pattern.exec(out + error)?.[1] ?? 'unknown';
}
