import { describe } from 'bun:test';
import { Edge } from '../../src/edge/index.ts';
import { onCleanup } from '../support/cleanup.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sipServerContract } from './sip-server.ts';

const listen = (['udp', 'tcp'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));

describe('the edge', () => {
  sipServerContract(async () => {
    const edge = new Edge({ listen, logger: new RecordingLogger() });
    onCleanup(() => edge.stop(0));
    return edge;
  }, 'dropped');
});
