import { defineCommand } from 'citty';
import { type Config, ConfigError, readConfig } from '../config/index.ts';
import { VARIABLES } from '../config/variables.ts';
import { printable } from '../lib/text.ts';
import { setEngineOptions } from './engine-options.ts';
import { print, printableLines, printError } from './output.ts';
import { EXIT } from './run.ts';

const { embedded } = VARIABLES;

const VERDICT_WIDTH = 'warning'.length + 2;

const FLAGS = {
  embedded: embedded.on,
  sip: embedded.sip,
  data: embedded.data,
  provision: embedded.provision,
  'external-ip': embedded.externalIp,
  'tls-cert': embedded.tlsCerts,
  'tls-key': embedded.tlsKeys,
} as const;

export default defineCommand({
  meta: { name: 'serve', description: 'Answer REGISTER and OPTIONS' },
  args: {
    check: { type: 'boolean', description: 'Check all that serve needs, print what to do, and exit' },
    embedded: { type: 'boolean', description: 'Use our own SIP edge and SQLite; needs no other service' },
    sip: { type: 'string', valueHint: 'list', description: 'Addresses to listen on, such as udp/127.0.0.1:5060' },
    data: { type: 'string', valueHint: 'dir', description: 'Directory of the SQLite database' },
    provision: { type: 'string', valueHint: 'file', description: 'TOML file with accounts and clients' },
    'external-ip': { type: 'string', valueHint: 'ip', description: 'Address to announce when behind NAT' },
    'tls-cert': { type: 'string', valueHint: 'files', description: 'Certificates for tls and wss, PEM files' },
    'tls-key': { type: 'string', valueHint: 'files', description: 'Keys of the certificates, PEM files' },
  },
  async run({ args }) {
    const failure = args.check ? undefined : setEngineOptions();
    if (failure !== undefined) await printError(`running without the options that save memory: ${failure}`);
    // With DEBUG the drivers print the commands that they send, and so passwords.
    delete process.env.DEBUG;
    const config = await readConfigOrPrintProblems(flagsAsVariables(args));
    if (!config) process.exitCode = EXIT.usage;
    else if (args.check) process.exitCode = await check(config);
    // Not left to the event loop: a connection that does not close, or a reader of stdout that reads nothing, would keep it.
    else process.exit(await serve(config));
  },
});

/** Errors that the operator can fix are printed without a stack. */
async function serve(config: Config): Promise<number> {
  const sidecar = await import('../sidecar/serve.ts');
  try {
    await sidecar.serve(config);
    return EXIT.ok;
  } catch (error) {
    const code = sidecar.exitCodeOf(error);
    if (code === undefined) throw error;
    await printError(printableLines(error instanceof Error ? error.message : String(error)));
    return code;
  }
}

function flagsAsVariables(args: Readonly<Record<string, unknown>>): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [flag, { name }] of Object.entries(FLAGS)) {
    const value = args[flag];
    if (typeof value === 'string') variables[name] = value;
    if (value === true) variables[name] = '1';
  }
  return variables;
}

async function readConfigOrPrintProblems(flags: Readonly<Record<string, string>>): Promise<Config | undefined> {
  try {
    return readConfig({ ...process.env, ...flags }, new Set(Object.keys(flags)));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    await printError(printableLines([...error.problems, ...error.hints].join('\n')));
    return undefined;
  }
}

/** Prints what it finds, a line each. */
async function check(config: Config): Promise<number> {
  const sidecar = await import('../sidecar/check/index.ts');
  const findings = await sidecar.check(config);
  const verdicts = new Set(findings.map(({ verdict }) => verdict));
  const lines = findings.map(({ verdict, text }) => printable(`${verdict.padEnd(VERDICT_WIDTH)}${text}`));
  if (!verdicts.has('wrong')) lines.push('configuration is valid');
  await print(lines.join('\n'));
  if (verdicts.has('wrong')) return EXIT.usage;
  return verdicts.has('away') ? EXIT.noDependency : EXIT.ok;
}
