import { defineCommand } from 'citty';
import { type Config, ConfigError, readConfig } from '../config/index.ts';
import { VARIABLES } from '../config/variables.ts';
import { printError } from './output.ts';
import { EXIT } from './run.ts';

const { embedded } = VARIABLES;

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
    check: { type: 'boolean', description: 'Check the configuration, print advice, and exit' },
    embedded: { type: 'boolean', description: 'Use our own SIP edge and SQLite; needs no other service' },
    sip: { type: 'string', valueHint: 'list', description: 'Addresses to listen on, such as udp/127.0.0.1:5060' },
    data: { type: 'string', valueHint: 'dir', description: 'Directory of the SQLite database' },
    provision: { type: 'string', valueHint: 'file', description: 'TOML file with accounts and clients' },
    'external-ip': { type: 'string', valueHint: 'ip', description: 'Address to announce when behind NAT' },
    'tls-cert': { type: 'string', valueHint: 'list', description: 'Certificates for tls and wss, PEM files' },
    'tls-key': { type: 'string', valueHint: 'list', description: 'Keys of the certificates, PEM files' },
  },
  async run({ args }) {
    const config = readConfigOrPrintProblems({ ...process.env, ...flagsAsVariables(args) });
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
    await printError(`${error instanceof Error ? error.message : error}`);
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

function readConfigOrPrintProblems(env: Readonly<Record<string, string | undefined>>): Config | undefined {
  try {
    return readConfig(env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.problems.join('\n')}\n`);
    return undefined;
  }
}

async function check(config: Config): Promise<number> {
  const lines = [...config.warnings];
  if (config.embedded.provision && config.parts.directory === 'sqlite') {
    const { ProvisionError, readProvisioning } = await import('../provision/file.ts');
    try {
      readProvisioning(config.embedded.provision);
    } catch (error) {
      if (!(error instanceof ProvisionError)) throw error;
      process.stderr.write(`${error.message}\n`);
      return EXIT.usage;
    }
  }
  if (config.parts.directory === 'mysql') {
    const { indexAdvice } = await import('../adapters/sql/index-advice.ts');
    lines.push(...(await indexAdvice(config.mysql)));
  }
  process.stdout.write(`${[...lines, 'configuration is valid'].join('\n')}\n`);
  return EXIT.ok;
}
