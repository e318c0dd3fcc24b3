import { describe, expect, test } from 'bun:test';
import { createServer, type Socket } from 'node:net';
import { encodeFrame, FrameReader } from '../../../src/adapters/drachtio/frames.ts';
import { DrachtioServer } from '../../../src/adapters/drachtio/server.ts';
import { onCleanup } from '../../support/cleanup.ts';
import { Inbox } from '../../support/inbox.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { TestScreen } from '../../support/screen.ts';
import { request } from '../../support/sip-request.ts';

// Frames by hand: drachtio refuses by itself most of what we could not read, but not everything.

const INTRUDER = '192.0.2.66';

/** Says yes to everything, and passes on the frames of the app that are answers to requests. */
async function controlServer() {
  const answers = new Inbox<string>();
  const connected = Promise.withResolvers<Socket>();
  const write = (socket: Socket, text: string) => socket.write(encodeFrame(text));
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const reader = new FrameReader(65_536, (frame) => {
      const [id = '', kind] = frame.split('|');
      if (kind === 'sip') answers.put(frame);
      write(socket, `${crypto.randomUUID()}|response|${id}|OK|udp/192.0.2.1:5060|0.8|udp/192.0.2.1:5060`);
      if (kind === 'route') connected.resolve(socket);
    });
    socket.on('data', (data) => void reader.push(data as Buffer));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onCleanup(() => void server.close());
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port,
    answers,
    async deliver(text: string) {
      const leader = `${crypto.randomUUID()}|sip|network|1|udp|${INTRUDER}|5060|0|t-1||192.0.2.1|5060|`;
      (await connected.promise).write(encodeFrame(`${leader}\r\n${text}`));
    },
  };
}

async function start(screen: TestScreen) {
  const drachtio = await controlServer();
  const address = { host: '127.0.0.1', port: drachtio.port };
  const server = new DrachtioServer({ ...address, secret: 's', networks: [], logger: new RecordingLogger() });
  onCleanup(() => server.stop(0));
  server.screen(screen);
  server.handle('OPTIONS', async () => ({ status: 200 }));
  await server.connect();
  return drachtio;
}

const MALFORMED = request('OPTIONS', `UDP ${INTRUDER}:5060`).replace(/^CSeq: .*$/m, 'CSeq: x');

describe('a request that cannot be read', () => {
  test('is reported with its source', async () => {
    const screen = new TestScreen(INTRUDER);
    const drachtio = await start(screen);
    await drachtio.deliver(MALFORMED);
    expect(await drachtio.answers.next()).toContain('|t-1|\r\nSIP/2.0 400 Bad Request - Malformed CSeq\r\n');
    expect(screen.malformedFrom).toEqual([INTRUDER]);
  });

  test('is not read if its source is banned', async () => {
    const screen = new TestScreen(INTRUDER);
    screen.ban();
    const drachtio = await start(screen);
    await drachtio.deliver(MALFORMED);
    expect(await drachtio.answers.next()).toContain('|t-1|\r\nSIP/2.0 403 Forbidden\r\n');
    expect(screen.malformedFrom).toEqual([]);
  });
});
