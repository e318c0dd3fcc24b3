import { readFileSync } from 'node:fs';

interface Copy {
  /** The stage it copies from; undefined: the build context. */
  readonly from: string | undefined;
  /** `user:group` of what it writes. */
  readonly owner: string | undefined;
  readonly sources: readonly string[];
  readonly destination: string;
}

/** One stage of a Dockerfile, as far as we write them. */
export interface Stage {
  readonly base: string;
  readonly name: string | undefined;
  readonly copies: readonly Copy[];
  readonly env: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly volumes: readonly string[];
  readonly user: string | undefined;
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  readonly healthcheck: readonly string[];
  /** Commands that need a shell. */
  readonly run: readonly string[];
}

interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** @throws when there is an instruction that this does not read */
export function readDockerfile(path: string): readonly Stage[] {
  const stages: Instruction[][] = [];
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  for (const line of lines.join('\n').replaceAll('\\\n', '').split('\n')) {
    const [, name = '', text = ''] = /^([A-Z]+) +(.*)$/.exec(line) ?? [];
    if (!READ.has(name)) throw new Error(`${path}: ${line}`);
    if (name === 'FROM') stages.push([]);
    stages.at(-1)?.push({ name, text });
  }
  return stages.map(stageOf);
}

const READ = new Set('FROM ARG WORKDIR COPY RUN ENV LABEL VOLUME USER ENTRYPOINT CMD HEALTHCHECK'.split(' '));

function stageOf(instructions: readonly Instruction[]): Stage {
  const all = (name: string) => instructions.filter((one) => one.name === name).map(({ text }) => text);
  const last = (name: string) => all(name).at(-1);
  const { words } = optionsOf(last('FROM') ?? '');
  return {
    base: words[0] ?? '',
    name: words[2],
    copies: all('COPY').map(copyOf),
    env: pairs(all('ENV')),
    labels: pairs(all('LABEL')),
    volumes: wordsOf(last('VOLUME')),
    user: last('USER'),
    entrypoint: wordsOf(last('ENTRYPOINT')),
    cmd: wordsOf(last('CMD')),
    healthcheck: wordsOf(/ CMD (.*)$/.exec(last('HEALTHCHECK') ?? '')?.[1]),
    run: all('RUN'),
  };
}

function copyOf(text: string): Copy {
  const { options, words } = optionsOf(text);
  return {
    from: options.from,
    owner: options.chown,
    sources: words.slice(0, -1),
    destination: words.at(-1) ?? '',
  };
}

/** `--name=value` before the words. */
function optionsOf(text: string): { options: Readonly<Record<string, string>>; words: readonly string[] } {
  const words = text.split(/ +/);
  const options = words.filter((word) => word.startsWith('--')).map((word) => word.slice(2).split('='));
  return { options: Object.fromEntries(options), words: words.filter((word) => !word.startsWith('--')) };
}

function pairs(texts: readonly string[]): Record<string, string> {
  const found = texts.flatMap((text) => [...text.matchAll(/([\w.]+)=(?:"([^"]*)"|(\S+))/g)]);
  return Object.fromEntries(found.map(([, name, quoted, bare]) => [name, quoted ?? bare]));
}

/** The words of the exec form; the other form needs a shell. */
function wordsOf(text = '[]'): string[] {
  const words: unknown = JSON.parse(text);
  if (!Array.isArray(words)) throw new Error(`not in exec form: ${text}`);
  return words.map(String);
}
