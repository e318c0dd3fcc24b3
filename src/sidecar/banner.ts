import { resolve } from 'node:path';
import type { Config } from '../config/index.ts';
import { VERSION } from '../lib/version.ts';
import type { DemoAccount } from '../provision/demo-account.ts';

/** The start-up text of embedded mode: the addresses, the demo account, and how to try it. */
export function banner(config: Config, hostports: string, demo: DemoAccount | undefined): string {
  const { parts, embedded } = config;
  const addresses = hostports.split(',');
  const rows = [
    ['SIP', addresses.join('  ')],
    ['Bindings', parts.store === 'redis' ? 'Redis' : `SQLite in ${resolve(embedded.data)}`],
    ['Accounts', accounts(config)],
    ...(demo ? [['Demo user', `sip:${demo.username}@${demo.realm}  password ${demo.password}`]] : []),
  ];
  const table = rows.map(([name = '', value]) => `  ${name.padEnd(10)}${value}`).join('\n');
  return `\nsbc-sip-sidecar ${VERSION} is ready, embedded\n\n${table}\n\n${whatNext(addresses, demo)}\n\n`;
}

function accounts({ parts, embedded }: Config): string {
  if (parts.directory === 'mysql') return 'MySQL';
  return embedded.provision ? resolve(embedded.provision) : 'a demo account; --provision file.toml brings your own';
}

function whatNext(addresses: readonly string[], demo: DemoAccount | undefined): string {
  const udp = addresses.find((a) => a.startsWith('udp/')) ?? addresses[0] ?? '';
  const [proto, hostport] = udp.split('/');
  const lines = demo
    ? [
        `  Try it: in a softphone on this machine enter user ${demo.username}, domain ${demo.realm}, the password, and`,
        `  ${hostport} (${proto?.toUpperCase()}) as outbound proxy. Or type, with baresip installed:`,
        '',
        `    baresip -e '/uanew <sip:${demo.username}@${demo.realm}>;auth_pass=${demo.password};outbound="sip:${hostport};transport=${proto}"'`,
      ]
    : [`  Point a phone at ${hostport} (${proto?.toUpperCase()}) as its outbound proxy.`];
  if (addresses.every((a) => /\/(127\.|\[::1\])/.test(a)))
    lines.push('', '  Only this machine can reach it; --sip udp/<ip>:5060,tcp/<ip>:5060 opens it to others.');
  lines.push('  Stop it with Ctrl-C.');
  return lines.join('\n');
}
