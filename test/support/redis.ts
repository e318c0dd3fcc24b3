import { join } from 'node:path';
import { Redis } from 'ioredis';
import { onCleanup, removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';
import { type Restartable, startRestartable } from './restartable.ts';
import { secret } from './secrets.ts';

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const RECONNECT_MS = 20;
/** Another process may take the free port first. */
const START_ATTEMPTS = 3;

export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly password: string | undefined;
  readonly pid: number;
  /** Reconnects by itself; commands wait while the server is down. */
  readonly client: Redis;
  /** Ends the server, which loses its data. Resolves when the process has ended. */
  stop(): Promise<void>;
  /** Sends a signal. Resolves when the process has ended, after SIGSTOP when it has stopped, after SIGCONT at once. */
  kill(signal: NodeJS.Signals): Promise<void>;
  /** Restarts it, empty, on the same port; resolves when `client` is connected. */
  start(): Promise<void>;
}

export interface RedisOptions {
  readonly password?: string;
  /** `--name value` for its configuration file, which CONFIG REWRITE and sentinels rewrite. */
  readonly args?: readonly string[];
}

/** Starts a redis-server on a free port of 127.0.0.1, without persistence. */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  if (options.password !== undefined) secret('the password of Redis', options.password);
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), options);
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
    }
  }
}

let shared: Promise<RedisServer> | undefined;

/** One Redis for all tests that need no server of their own; use unique keys. */
export function sharedRedis(): Promise<RedisServer> {
  shared ??= startRedis();
  return shared;
}

async function startOn(port: number, { password, args = [] }: RedisOptions): Promise<RedisServer> {
  const directory = temporaryDirectory('redis');
  const file = join(directory, 'redis.conf');
  let server: Restartable;
  try {
    await Bun.write(file, configuration(port, directory, password, args));
    server = await startRestartable('Redis', () => launchServer(file));
  } catch (error) {
    removeTemporaryDirectory(directory);
    throw error;
  }

  const client = new Redis({
    host: HOST,
    port,
    ...(password === undefined ? {} : { password }),
    maxRetriesPerRequest: null,
    retryStrategy: () => RECONNECT_MS,
  });
  let lastError = 'no answer';
  client.on('error', (error) => {
    lastError = error.message;
  });
  const ping = async () => {
    try {
      await within(client.ping(), START_DEADLINE_MS, 'PONG');
    } catch (error) {
      throw new Error(`Redis on port ${port} does not answer: ${lastError}`, { cause: error });
    }
  };
  onCleanup(async () => {
    client.disconnect();
    await server.kill('SIGKILL');
    removeTemporaryDirectory(directory);
  });
  await ping();

  return {
    host: HOST,
    port,
    password,
    get pid() {
      return server.process.pid;
    },
    client,
    kill: server.kill,
    stop: () => server.kill('SIGTERM'),
    start: async () => {
      await server.start();
      await ping();
    },
  };
}

function configuration(port: number, directory: string, password: string | undefined, args: readonly string[]): string {
  const lines = [
    `port ${port}`,
    `bind ${HOST}`,
    `dir ${quoted(directory)}`,
    'save ""',
    'appendonly no',
    'daemonize no',
    ...(password === undefined ? [] : [`requirepass ${quoted(password)}`]),
  ];
  const more = args.map((arg) => (arg.startsWith('--') ? `\n${arg.slice(2)}` : ` ${quoted(arg)}`));
  return `${lines.join('\n')}${more.join('')}\n`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

async function launchServer(file: string): Promise<SpawnedProcess> {
  const server = spawnProcess('redis-server', [file]);
  try {
    await server.line(/Ready to accept connections/, START_DEADLINE_MS);
  } catch (error) {
    server.kill('SIGKILL');
    throw error;
  }
  return server;
}
