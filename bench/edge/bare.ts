/**
 * The floor: the edge with handlers that only answer 200.
 *
 *   bun bench/edge/bare.ts udp,tcp,… cert.pem key.pem
 */
import { Edge, type Listener } from '../../src/edge/index.ts';

const [protocols = 'udp', certFile, keyFile] = process.argv.slice(2);
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const edge = new Edge({
  listen: protocols.split(',').map((proto) => ({ proto: proto as Listener['proto'], host: '127.0.0.1', port: 0 })),
  logger: silent,
  ...(certFile && keyFile && { tls: { certificates: [{ certFile, keyFile }] } }),
});
edge.handle('OPTIONS', async () => ({ status: 200 }));
edge.handle('REGISTER', async () => ({ status: 200 }));
await edge.connect();
console.log(`ready ${edge.localHostports}`);
