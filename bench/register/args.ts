import { isIPv4 } from 'node:net';
import { parseArgs } from 'node:util';
import type { LoadOptions } from './load.ts';
import type { Work } from './phone.ts';
import type { Watched } from './proc.ts';
import type { Target } from './source.ts';

/** What the command line asks for. */
export interface Settings {
  readonly targets: readonly (Target & { readonly name: string })[];
  readonly load: Omit<LoadOptions, 'target'>;
  readonly work: Exclude<Work, 'enrol'>;
  readonly rate: number;
  readonly concurrency: number;
  readonly seconds: number;
  readonly warmup: number;
  readonly runs: number;
  readonly processes: readonly Watched[];
  readonly json: boolean;
}

/** A command line that cannot be followed, in a sentence. */
export class UsageError extends Error {}

export const USAGE = `Loads a SIP registrar over UDP and says what a unit of work costs.

  bun bench/register/index.ts --target 127.0.0.1:5060 --work full --rate 800 --pid sidecar=1234

  --target [name=]ip:port   the registrar; several are loaded in turn, run by run (A B A B)   127.0.0.1:5060
  --transport udp           the only one                                                      udp
  --work <kind>             full        REGISTER, 401, REGISTER with digest, 200; always a new Contact and Call-ID
                            refresh     the same Contact again without credentials, registered in the warm-up
                            options     a plain OPTIONS
                            unregister  a full registration, then its removal, challenged again   full
  --users <n>               how many users there are                                          1000
  --user-pattern <text>     %d becomes 1 to n                                                 user%d
  --password-pattern <text> %d becomes 1 to n                                                 secret%d
  --realm <name>            domain of the Request-URI and the AOR                             sidecar.test
  --expires <s>             asked for in every registration                                   3600
  --rate <n>                units begun per second, evenly; 0: a new one when another ends     0
  --concurrency <n>         units in flight at rate 0, and while users are first registered   50
  --seconds <s>             length of a run                                                   10
  --warmup <s>              the same work before the first run, not measured                  3
  --runs <n>                runs per target                                                   5
  --sources <n>             UDP sockets; towards loopback each has an address of its own      50
  --pid <name=pid>          measure CPU and memory of this process too; repeatable
  --json                    the report as JSON
  --help                    this text

Exit code: 0, 1 when no run of a target counts or the load cannot be made, 2 for a wrong command line.`;

const WORKS = ['full', 'refresh', 'options', 'unregister'] as const;

/** Reads the command line; undefined when only help is asked for. Throws UsageError. */
export function readArgs(args: readonly string[]): Settings | undefined {
  const values = parse(args);
  if (values.help) return undefined;
  if (values.transport !== 'udp') throw new UsageError(`--transport ${values.transport}: only udp is there`);
  const work = WORKS.find((w) => w === values.work);
  if (!work) throw new UsageError(`--work ${values.work}: one of ${WORKS.join(', ')}`);
  const number = (name: keyof typeof values, min: number, max: number, whole = true) => {
    const value = Number(values[name]);
    if (values[name] !== '' && value >= min && value <= max && (!whole || Number.isInteger(value))) return value;
    throw new UsageError(`--${name} ${values[name]}: a ${whole ? 'whole ' : ''}number from ${min} to ${max}`);
  };
  return {
    targets: values.target.map(readTarget),
    work,
    load: {
      realm: values.realm,
      users: number('users', 1, 10_000_000),
      userPattern: values['user-pattern'],
      passwordPattern: values['password-pattern'],
      sources: number('sources', 1, 10_000),
      expires: number('expires', 1, 2 ** 32 - 1),
    },
    rate: number('rate', 0, 1_000_000, false),
    concurrency: number('concurrency', 1, 100_000),
    seconds: number('seconds', 0.1, 86_400, false),
    warmup: number('warmup', 0, 3_600, false),
    runs: number('runs', 1, 1_000),
    processes: values.pid.map(readPid),
    json: values.json,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        target: { type: 'string', multiple: true, default: ['127.0.0.1:5060'] },
        transport: { type: 'string', default: 'udp' },
        work: { type: 'string', default: 'full' },
        users: { type: 'string', default: '1000' },
        'user-pattern': { type: 'string', default: 'user%d' },
        'password-pattern': { type: 'string', default: 'secret%d' },
        realm: { type: 'string', default: 'sidecar.test' },
        expires: { type: 'string', default: '3600' },
        rate: { type: 'string', default: '0' },
        concurrency: { type: 'string', default: '50' },
        seconds: { type: 'string', default: '10' },
        warmup: { type: 'string', default: '3' },
        runs: { type: 'string', default: '5' },
        sources: { type: 'string', default: '50' },
        pid: { type: 'string', multiple: true, default: [] },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readTarget(text: string): Target & { name: string } {
  const [, name, host = '', port] = /^(?:([^=]+)=)?([\d.]+):(\d{1,5})$/.exec(text) ?? [];
  if (!isIPv4(host) || Number(port) < 1 || Number(port) > 65_535) {
    throw new UsageError(`--target ${text}: must be ip:port or name=ip:port, with an IPv4 address`);
  }
  return { name: name ?? `${host}:${port}`, host, port: Number(port) };
}

function readPid(text: string): Watched {
  const [, name, pid] = /^([^=]+)=(\d+)$/.exec(text) ?? [];
  if (!name || !pid) throw new UsageError(`--pid ${text}: must be name=pid`);
  return { name, pid: Number(pid) };
}
