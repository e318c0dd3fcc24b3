import { describe } from 'bun:test';
import { DrachtioServer } from '../../src/adapters/drachtio/server.ts';
import { onCleanup } from '../support/cleanup.ts';
import { SECRET, startTestDrachtio } from '../support/drachtio/raw-app.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sipServerContract } from './sip-server.ts';

describe('a drachtio server', () => {
  sipServerContract(async () => {
    const drachtio = await startTestDrachtio();
    onCleanup(() => drachtio.stop());
    const logger = new RecordingLogger();
    const server = new DrachtioServer({
      host: '127.0.0.1',
      port: drachtio.controlPort,
      secret: SECRET,
      networks: [],
      logger,
    });
    onCleanup(() => server.stop(0));
    return server;
  }, 'answered 403');
});
