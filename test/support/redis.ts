import { Redis } from 'ioredis';
import { onCleanup, removeTemporaryDirectory, temporaryDirectory } from './cleanup.ts';
import { within } from './deadline.ts';
import { freePort } from './net.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';
import { secret } from './secrets.ts';

const HOST = '127.0.0.1';
const START_DEADLINE_MS = 30_000;
const STOP_DEADLINE_MS = 15_000;
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
  const launch = () => launchServer(port, directory, password, args);
  let server: SpawnedProcess;
  try {
    server = await launch();
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
  const kill = async (signal: NodeJS.Signals) => {
    if (signal === 'SIGSTOP') return server.freeze();
    server.kill(signal);
    if (signal === 'SIGCONT') return;
    // A stopped process handles signals only after SIGCONT.
    server.kill('SIGCONT');
    await within(server.gone(), STOP_DEADLINE_MS, `end of Redis after ${signal}`);
  };
  onCleanup(async () => {
    client.disconnect();
    await kill('SIGKILL');
    removeTemporaryDirectory(directory);
  });
  await ping();

  return {
    host: HOST,
    port,
    password,
    get pid() {
      return server.pid;
    },
    client,
    kill,
    stop: () => kill('SIGTERM'),
    start: async () => {
      server = await launch();
      await ping();
    },
  };
}

async function launchServer(
  port: number,
  directory: string,
  password: string | undefined,
  args: readonly string[],
): Promise<SpawnedProcess> {
  const settings = [
    ['--port', String(port)],
    ['--bind', HOST],
    ['--dir', directory],
    ['--save', ''],
    ['--appendonly', 'no'],
    ['--daemonize', 'no'],
    ...(password === undefined ? [] : [['--requirepass', password]]),
  ];
  const server = spawnProcess('redis-server', [...settings.flat(), ...args], { cwd: directory });
  try {
    await server.line(/Ready to accept connections/, START_DEADLINE_MS);
  } catch (error) {
    server.kill('SIGKILL');
    throw error;
  }
  return server;
}
