import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { killAtExit, onCleanup, removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort, waitForPort } from './net.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';

export interface KamailioOptions {
  readonly realm: string;
  /** User → password. Only letters, digits and `.-_`, because they are written into a script. */
  readonly users: Readonly<Record<string, string>>;
  /** Seconds; default 60. A shorter request is granted this, not refused with 423. */
  readonly minExpires?: number;
  readonly maxExpires?: number;
  /** Contacts per AOR; default unlimited. A REGISTER that would exceed it is answered 503. */
  readonly maxContacts?: number;
  /** Of digest authentication; default MD5. */
  readonly algorithm?: 'MD5' | 'SHA-256';
}

interface KamailioContact {
  readonly user: string;
  readonly contact: string;
  readonly callId: string;
  readonly cseq: number;
  /** Remaining seconds. */
  readonly expires: number;
}

/** Kamailio as a registrar with digest authentication, by UDP and TCP on one free port of 127.0.0.1. */
export interface Kamailio {
  readonly host: string;
  readonly port: number;
  nextHop(transport?: 'udp' | 'tcp'): NextHop;
  contacts(): Promise<KamailioContact[]>;
  /** Ends it; its contacts are lost. */
  stop(): Promise<void>;
  /** Restarts it on the same port. */
  start(): Promise<void>;
}

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 10_000;
const ASK_DEADLINE_MS = 20_000;
const HARMLESS = /^[A-Za-z0-9._-]+$/;

export async function startKamailio(options: KamailioOptions): Promise<Kamailio> {
  const directory = temporaryDirectory('kamailio');
  const port = await freePort();
  const control = join(directory, 'ctl.sock');
  await Bun.write(join(directory, 'kamailio.cfg'), configuration(options, port, control));
  const launch = async () => {
    const server = spawnProcess(Bun.which('kamailio') ?? '/usr/sbin/kamailio', [
      ...['-f', join(directory, 'kamailio.cfg')],
      ...['-P', join(directory, 'pid'), '-Y', directory],
      // In the foreground with its children; log to stderr; megabytes of shared and private memory.
      ...['-DD', '-E', '-m', '16', '-M', '4'],
    ]);
    try {
      await Promise.race([waitForPort(HOST, port, START_DEADLINE_MS), ended(server)]);
    } catch (error) {
      server.kill('SIGKILL');
      throw error;
    }
    // The children would outlive a main process that is killed.
    const forget = childrenOf(server.pid).map(killAtExit);
    void server.exited.then(() => forget.forEach((one) => void one()));
    return server;
  };
  let server = await launch();
  const stop = async () => {
    server.kill('SIGTERM');
    await within(server.exited, STOP_DEADLINE_MS, 'end of Kamailio');
  };
  onCleanup(async () => {
    await stop();
    removeTemporaryDirectory(directory);
  });
  return {
    host: HOST,
    port,
    nextHop: (transport = 'udp') => ({ address: HOST, port, transport }),
    contacts: async () => readDump(await ask(control, 'ul.dump')),
    stop,
    start: async () => {
      server = await launch();
    },
  };
}

function configuration(
  { realm, users, minExpires = 60, maxExpires = 600, maxContacts = 0, algorithm = 'MD5' }: KamailioOptions,
  port: number,
  ctl: string,
) {
  for (const text of [realm, ...Object.entries(users).flat()])
    if (!HARMLESS.test(text)) throw new Error(`not fit for a Kamailio script: ${text}`);
  const passwords = Object.entries(users).map(
    ([user, password]) => `  if ($au == "${user}") $var(password) = "${password}";`,
  );
  return `#!KAMAILIO
children=1
tcp_children=1
dns=no
rev_dns=no
auto_aliases=no
listen=udp:${HOST}:${port}
listen=tcp:${HOST}:${port}
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
loadmodule "kex.so"
loadmodule "ctl.so"
modparam("ctl", "binrpc", "unixs:${ctl}")
modparam("auth", "algorithm", "${algorithm}")
modparam("usrloc", "db_mode", 0)
modparam("registrar", "min_expires", ${minExpires})
modparam("registrar", "max_expires", ${maxExpires})
modparam("registrar", "max_contacts", ${maxContacts})
request_route {
  if (is_method("OPTIONS")) {
    sl_send_reply("200", "OK");
    exit;
  }
  if (!is_method("REGISTER")) {
    sl_send_reply("405", "Method Not Allowed");
    exit;
  }
  $var(password) = "";
${passwords.join('\n')}
  if ($var(password) == "" || !pv_www_authenticate("${realm}", "$var(password)", "0")) {
    www_challenge("${realm}", "1");
    exit;
  }
  save("location");
}
`;
}

async function ended({ exited, lines }: SpawnedProcess): Promise<never> {
  const { code } = await exited;
  throw new Error(`kamailio ended with ${code}:\n${lines.join('\n')}`);
}

function childrenOf(pid: number): number[] {
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return pids === '' ? [] : pids.split(' ').map(Number);
}

async function ask(control: string, command: string): Promise<readonly string[]> {
  const asking = spawnProcess(Bun.which('kamcmd') ?? '/usr/sbin/kamcmd', ['-s', `unixs:${control}`, command]);
  try {
    const { code } = await within(asking.exited, ASK_DEADLINE_MS, `kamcmd ${command}`);
    if (code !== 0) throw new Error(`kamcmd ${command} ended with ${code}:\n${asking.lines.join('\n')}`);
    return asking.stdout;
  } finally {
    asking.kill('SIGKILL');
  }
}

/** Parses `AoR: alice`, then a group of lines per contact that starts with `Address`. */
function readDump(lines: readonly string[]): KamailioContact[] {
  const contacts: { user: string; contact: string; callId: string; cseq: number; expires: number }[] = [];
  let user = '';
  for (const line of lines) {
    const [, name, value = ''] = /^\s*([A-Za-z-]+): (.*)$/.exec(line) ?? [];
    const last = contacts.at(-1);
    if (name === 'AoR') user = value;
    else if (name === 'Address') contacts.push({ user, contact: value, callId: '', cseq: 0, expires: 0 });
    else if (name === 'Expires' && last) last.expires = Number(value);
    else if (name === 'Call-ID' && last) last.callId = value;
    else if (name === 'CSeq' && last) last.cseq = Number(value);
  }
  return contacts;
}
