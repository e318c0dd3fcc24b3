/** The edge with handlers that answer at once: a REGISTER that begins a Call-ID is challenged, any other is answered 200. */
import { Edge, type Listener } from '../../src/edge/index.ts';
import type { SipRequest } from '../../src/sip/message.ts';
import { PROTOCOLS } from '../lib/client.ts';
import { readFlags } from '../lib/flags.ts';

const { listen, cert, key } = readFlags(process.argv.slice(2), (flags) => ({
  listen: flags.choices('listen', PROTOCOLS, { help: 'repeatable' }),
  cert: flags.optionalText('cert', { value: 'path', help: 'PEM' }),
  key: flags.optionalText('key', { value: 'path', help: 'PEM' }),
}));
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const challenge = 'Digest realm="sidecar.test", nonce="0123456789abcdef", algorithm=MD5, qop="auth"';

const edge = new Edge({
  listen: listen.map((proto): Listener => ({ proto, host: '127.0.0.1', port: 0 })),
  logger: silent,
  ...(cert && key && { tls: { certificates: [{ certFile: cert, keyFile: key }] } }),
});
edge.handle('OPTIONS', async () => ({ status: 200 }));
edge.handle('REGISTER', async ({ cseq, headers }: SipRequest) => {
  if (cseq.number === 1) return { status: 401, headers: { 'WWW-Authenticate': challenge } };
  const contact = headers.find(({ name }) => name === 'Contact')?.value ?? '';
  return { status: 200, headers: { Contact: `${contact};expires=3600` } };
});
await edge.connect();
console.log(`ready ${edge.localHostports}`);
