import type { CommandDef } from 'citty';
import { DEFAULT_SOCKET_PATH } from '../admin/protocol.ts';
import { type Argument, commandTree, everyNode, type Node } from './completion/tree.ts';
import { EXAMPLES } from './examples.ts';
import { EXIT } from './run.ts';

const CODES: { readonly [K in keyof typeof EXIT]: string } = {
  ok: 'done',
  failed: 'the sidecar refused, or its answer could not be used; `fs drain --wait`: the server was undrained meanwhile',
  usage: 'the command line makes no sense; `serve`: the configuration does not',
  timedOut: 'the sidecar did not answer within 5 s; `fs drain --wait`: calls were left when the time was over',
  noSidecar: 'no sidecar at the socket',
};

/** docs/cli.md, written from the definitions of the commands. */
export async function cliDocs(root: CommandDef): Promise<string> {
  const commands = [...everyNode(await commandTree(root))].filter(({ children }) => children.length === 0);
  const contents = commands.map(({ path, description }) => `| \`${path.slice(1).join(' ')}\` | ${description} |`);
  const codes = Object.entries(EXIT).map(([name, code]) => `| ${code} | ${CODES[name as keyof typeof EXIT]} |`);
  return `# Command line

<!-- Written by \`npm run docs\` from src/commands: change it there. -->

\`serve\` is the sidecar. All other commands ask a running one, over its admin socket, and take about 20 ms. They read one
variable, \`SBC_SOCKET_PATH\`: where that socket is, \`${DEFAULT_SOCKET_PATH}\` unless it is set. Only the sidecar's own user and
root may use it.

| command | what it does |
|---|---|
${contents.join('\n')}

With \`--json\` stdout gets exactly one JSON document: the answer, or \`{"success":false,"error":"…"}\`. Colours and symbols
are for terminals, and \`NO_COLOR=1\` switches them off there too. Messages about what went wrong go to stderr.

| exit code | |
|---|---|
${codes.join('\n')}

${commands.map(section).join('\n')}`;
}

function section({ path, description, positionals, flags }: Node): string {
  const usage = [...path, ...positionals.map(placeholder), ...flags.map((flag) => `[${spelled(flag)}]`)];
  const name = path.slice(1).join(' ');
  return `## ${name}

${description}.

\`\`\`
${wrapped(usage)}
\`\`\`
${table(positionals, placeholder)}${table(flags, spelled)}
\`\`\`
${EXAMPLES[name] ?? ''}
\`\`\`
`;
}

function placeholder({ name, value, required }: Argument): string {
  return required ? `<${value ?? name}>` : `[${value ?? name}]`;
}

function spelled({ name, value }: Argument): string {
  return value === undefined ? `--${name}` : `--${name} <${value}>`;
}

function table(rows: readonly Argument[], name: (row: Argument) => string): string {
  if (rows.length === 0) return '';
  return `\n| | |\n|---|---|\n${rows.map((row) => `| \`${name(row)}\` | ${row.description} |`).join('\n')}\n`;
}

const WIDTH = 100;

function wrapped(words: readonly string[]): string {
  const lines: string[] = [];
  for (const word of words) {
    const last = lines[lines.length - 1];
    if (last === undefined) lines.push(word);
    else if (last.length + word.length < WIDTH) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(`  ${word}`);
  }
  return lines.join('\n');
}
