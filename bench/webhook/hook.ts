/**
 * A customer's web server that grants every registration, by HTTP and HTTPS.
 *
 *   bun bench/webhook/hook.ts cert.pem key.pem
 */
import { readFileSync } from 'node:fs';

const [certFile = '', keyFile = ''] = process.argv.slice(2);
const REPLY = { status: 'ok', expires: 3600, call_hook: 'https://customer.example/call' };

const plain = { port: 0, hostname: '127.0.0.1', fetch: grant };
const secure = { ...plain, tls: { cert: readFileSync(certFile), key: readFileSync(keyFile) } };
console.log(`ready ${Bun.serve(plain).port} ${Bun.serve(secure).port}`);

async function grant(request: Request): Promise<Response> {
  await request.text();
  return Response.json(REPLY);
}
