import type { CommandDef } from 'citty';
import { DEFAULT_SOCKET_PATH } from '../admin/protocol.ts';
import { type Argument, commandTree, everyNode, type Node } from './completion/tree.ts';
import { EXIT } from './run.ts';

/** One for every command: what to type, and what it prints where that is worth showing. */
const EXAMPLES: Readonly<Record<string, string>> = {
  serve: '$ sbc-sip-sidecar serve --embedded --provision accounts.toml',
  status: `$ sbc-sip-sidecar status
Version:          0.1.0
Process:          4711
Uptime:           3 h 12 min
Ready:            yes
SIP server:       drachtio, connected
Addresses:        udp/192.0.2.1:5060  tcp/192.0.2.1:5060
Store:            Redis
Accounts:         MySQL
Cluster:          default
Feature servers:  2 active, 1 drained
RTP servers:      1`,
  'fs list': `$ sbc-sip-sidecar fs list
Feature servers:
  SERVER          STATE    CALLS  CHECK-IN  SERVICE URL
  10.0.0.10:5060  active      12  4 s ago   http://10.0.0.10:3000
  10.0.0.11:5060  drained      3  9 s ago   http://10.0.0.11:3000`,
  'fs watch': '$ sbc-sip-sidecar fs watch',
  'fs drain': `$ sbc-sip-sidecar fs drain 10.0.0.11 --wait --timeout 30m
✓ Drained 10.0.0.11
Drained servers: [10.0.0.11]
Waiting for 10.0.0.11: 3 calls left
10.0.0.11 has no calls left`,
  'fs undrain': `$ sbc-sip-sidecar fs undrain 10.0.0.11
✓ Undrained 10.0.0.11
Drained servers: []`,
  'fs drained': `$ sbc-sip-sidecar fs drained
Drained servers:
  10.0.0.11`,
  'fs active': `$ sbc-sip-sidecar fs active
Available feature servers:
  10.0.0.10:5060`,
  set: `$ sbc-sip-sidecar set logLevel debug
✓ logLevel = "debug"`,
  get: `$ sbc-sip-sidecar get logLevel
logLevel = "debug"`,
  list: `$ sbc-sip-sidecar list
Runtime Configuration:
  logLevel = "debug"`,
  reload: '$ sbc-sip-sidecar reload',
  'completion bash': '$ sbc-sip-sidecar completion bash > /etc/bash_completion.d/sbc-sip-sidecar',
  'completion zsh': '$ sbc-sip-sidecar completion zsh > ~/.zfunc/_sbc-sip-sidecar',
  'completion fish': '$ sbc-sip-sidecar completion fish > ~/.config/fish/completions/sbc-sip-sidecar.fish',
};

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
  const usage = [
    ...path,
    ...positionals.map(({ name, value }) => `<${value ?? name}>`),
    ...flags.map((flag) => `[${spelled(flag)}]`),
  ];
  const name = path.slice(1).join(' ');
  return `## ${name}

${description}.

\`\`\`
${wrapped(usage)}
\`\`\`
${table(positionals, ({ name, value }) => `<${value ?? name}>`)}${table(flags, spelled)}
\`\`\`
${EXAMPLES[name] ?? ''}
\`\`\`
`;
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
