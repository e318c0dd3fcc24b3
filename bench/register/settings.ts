import { isIPv4 } from 'node:net';
import { jsonFlag } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import type { Watched } from '../lib/proc.ts';
import type { Target } from './source.ts';

export const WORKS = ['full', 'refresh', 'options', 'unregister'] as const;

export function registerSettings(flags: Flags) {
  const targets = flags.list('target', {
    value: '[name=]ip:port',
    help: 'the registrar; several are loaded in turn, run by run (A B A B)',
    default: '127.0.0.1:5060',
    expected: 'ip:port or name=ip:port, with an IPv4 address',
    read: readTarget,
  });
  flags.choice('transport', ['udp'], { value: 'udp', help: 'the only one', default: 'udp' });
  const work = flags.choice('work', WORKS, {
    value: 'kind',
    help: `full        REGISTER, 401, REGISTER with digest, 200; always a new Contact and Call-ID
refresh     the same Contact again without credentials, registered in the warm-up
options     a plain OPTIONS
unregister  a full registration, then its removal, challenged again`,
    default: 'full',
  });
  return {
    targets,
    work,
    load: {
      users: flags.whole('users', { help: 'number of users', default: 1000, max: 10_000_000 }),
      userPattern: flags.text('user-pattern', { help: '%d becomes 1 to n', default: 'user%d' }),
      passwordPattern: flags.text('password-pattern', { help: '%d becomes 1 to n', default: 'secret%d' }),
      realm: flags.text('realm', {
        value: 'name',
        help: 'domain of the Request-URI and the AOR',
        default: 'sidecar.test',
      }),
      expires: flags.whole('expires', {
        value: 's',
        help: 'requested in every registration',
        default: 3600,
        max: 2 ** 32 - 1,
      }),
    },
    pace: paceSettings(flags),
    processes: flags.list('pid', {
      value: 'name=pid',
      help: 'measure CPU and memory of this process too; repeatable, those of\none name are counted together',
      expected: 'name=pid',
      read: readPid,
    }),
    json: jsonFlag(flags),
  };
}

export type Settings = ReturnType<typeof registerSettings>;

/**
 * The flags that run-embedded.ts has as well. With its `--smoke` a run has so few units that 0.1 % of them is less than
 * one: a single wrong or missing answer fails.
 */
export function paceSettings(flags: Flags) {
  return {
    rate: flags.number('rate', {
      help: 'units started per second, evenly spaced; 0: one starts when another ends',
      default: 0,
      smoke: 50,
      min: 0,
    }),
    concurrency: flags.whole('concurrency', {
      help: 'units in flight at rate 0, and while users are first registered',
      default: 50,
      max: 100_000,
    }),
    seconds: flags.number('seconds', {
      value: 's',
      help: 'length of a run',
      default: 10,
      smoke: 2,
      min: 0.1,
      max: 86_400,
    }),
    warmup: flags.number('warmup', {
      value: 's',
      help: 'the same work before the first run, not measured',
      default: 3,
      smoke: 0.5,
      min: 0,
      max: 3600,
    }),
    runs: flags.whole('runs', { help: 'runs per target', default: 5, smoke: 1, max: 1000 }),
    sources: flags.whole('sources', {
      help: 'UDP sockets; towards loopback each has an address of its own',
      default: 50,
      smoke: 20,
      max: 10_000,
    }),
  };
}

function readTarget(text: string): (Target & { readonly name: string }) | undefined {
  const [, name, host = '', port] = /^(?:([^=]+)=)?([\d.]+):(\d{1,5})$/.exec(text) ?? [];
  if (!isIPv4(host) || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { name: name ?? `${host}:${port}`, host, port: Number(port) };
}

function readPid(text: string): Watched | undefined {
  const [, name, pid] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  return name && pid ? { name, pid: Number(pid) } : undefined;
}
