/**
 * The floor: the sidecar's own edge, and behind it drachtio-srf with handlers that only answer 200.
 *
 *   bun bench/edge/bare.ts udp,tcp,… cert.pem key.pem
 */
import Srf from 'drachtio-srf';
import { type Listener, startEdge } from '../../src/edge/index.ts';

interface App {
  on(event: 'connect' | 'error', listener: (error: Error | null) => void): void;
  connect(options: object): void;
  options(handler: (req: object, res: { send(status: number): void }) => void): void;
  register(handler: (req: object, res: { send(status: number): void }) => void): void;
}

const SECRET = 'bare';
const [protocols = 'udp', certFile, keyFile] = process.argv.slice(2);
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const edge = await startEdge({
  listen: protocols.split(',').map((proto) => ({ proto: proto as Listener['proto'], host: '127.0.0.1', port: 0 })),
  secret: SECRET,
  logger: silent,
  ...(certFile && keyFile && { tls: { certificates: [{ certFile, keyFile }] } }),
});
const srf = new Srf() as unknown as App;
srf.on('error', (error) => console.error(error));
srf.on('connect', () => console.log(`ready ${edge.localHostports}`));
srf.options((_req, res) => res.send(200));
srf.register((_req, res) => res.send(200));
srf.connect({ host: edge.control.host, port: edge.control.port, secret: SECRET });
