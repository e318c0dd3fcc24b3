import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';

const LOOPBACK = '127.0.0.1';
/** Below every common range of ephemeral ports: no socket on port 0 and no outgoing connection gets one of these. */
const LOWEST_PORT = 10_000;
const BLOCK_SIZE = 256;
const BLOCKS = 88;
const RETRY_MS = 10;

/** Ports of the current block, those to hand out next at the end. */
let ports: number[] = [];
/** What holds each block of ours. */
const blocks = new Map<number, Server>();
let claiming: Promise<void> | undefined;

/**
 * A port of 127.0.0.1 that is free for TCP and UDP. No other caller gets it, in this process or another that runs tests at
 * the same time, not even after it was closed.
 * @throws when all ports are in use
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = ports.pop();
    if (port === undefined) {
      claiming ??= claimBlock();
      await claiming;
    } else if ((await tcpIsFree(port)) && (await udpIsFree(port))) return port;
  }
}

/** Claims a block for as long as this process lives, by listening on its first port, and hands out the others. */
async function claimBlock(): Promise<void> {
  const first = Math.floor(Math.random() * BLOCKS);
  for (let i = 0; i < BLOCKS; i++) {
    const block = (first + i) % BLOCKS;
    if (blocks.has(block)) continue;
    const lowest = LOWEST_PORT + block * BLOCK_SIZE;
    const claim = createServer((socket) => socket.destroy()).unref();
    if (!(await listens(claim, lowest))) continue;
    blocks.set(block, claim);
    ports = Array.from({ length: BLOCK_SIZE - 1 }, (_, i) => lowest + BLOCK_SIZE - 1 - i);
    claiming = undefined;
    return;
  }
  throw new Error('no free ports: every block is claimed');
}

/**
 * Resolves when something accepts TCP connections there.
 * @throws with the last reason when nothing does within `deadlineMs` milliseconds
 */
export async function waitForPort(host: string, port: number, deadlineMs: number): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const left = deadline - performance.now();
    const why = await refusal(host, port, Math.max(left, 1));
    if (why === undefined) return;
    if (performance.now() + RETRY_MS >= deadline) {
      throw new Error(`nothing accepts on ${host}:${port} within ${deadlineMs} ms: ${why}`);
    }
    await Bun.sleep(RETRY_MS);
  }
}

function refusal(host: string, port: number, timeoutMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => settle('no answer'), timeoutMs);
    const settle = (why?: string) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(why);
    };
    socket.once('connect', () => settle());
    socket.once('error', (error) => settle(error.message));
  });
}

async function tcpIsFree(port: number): Promise<boolean> {
  const server = createServer();
  if (!(await listens(server, port))) return false;
  server.close();
  await once(server, 'close');
  return true;
}

/** @returns false when the port is taken */
async function listens(server: Server, port: number): Promise<boolean> {
  server.listen({ port, host: LOOPBACK, exclusive: true });
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  }
}

async function udpIsFree(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  try {
    socket.bind({ port, address: LOOPBACK, exclusive: true });
    await once(socket, 'listening');
  } catch {
    return false;
  }
  socket.close();
  await once(socket, 'close');
  return true;
}
