import { createHash, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import type { TestCertificate } from './certificates.ts';
import { onCleanup, temporaryDirectory } from './cleanup.ts';

const START_DEADLINE_MS = 20_000;
const PAGES = join(import.meta.dir, '../browser');
/** Not in version control. */
const SCREENSHOTS = join(import.meta.dir, '../../test-results');
/** A proxy that does not exist, so that nothing reaches another machine. */
const NOWHERE = '127.0.0.1:9';

/** Starts headless Chromium, which reaches only 127.0.0.1. @param certificate is trusted */
export async function startBrowser(certificate?: TestCertificate): Promise<Browser> {
  const executablePath = Bun.which('chromium');
  if (executablePath === null) throw new Error('cannot start chromium: is it installed?');
  const browser = await chromium.launch({
    executablePath,
    timeout: START_DEADLINE_MS,
    args: [
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
      `--proxy-server=${NOWHERE}`,
      '--force-webrtc-ip-handling-policy=disable_non_proxied_udp',
      ...(certificate ? [`--ignore-certificate-errors-spki-list=${keyHash(certificate)}`] : []),
    ],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: temporaryDirectory('chromium') },
    // cleanup.ts handles signals.
    handleSIGHUP: false,
    handleSIGINT: false,
    handleSIGTERM: false,
  });
  onCleanup(() => browser.close());
  return browser;
}

/** Bundles and serves the pages of test/browser. @returns the URL of a library's page */
export async function servePages(): Promise<(library: string) => string> {
  const libraries = ['jssip', 'sipjs'];
  const { outputs } = await Bun.build({
    entrypoints: libraries.map((library) => join(PAGES, `${library}.ts`)),
    target: 'browser',
    naming: '[name].js',
  });
  const html = Bun.file(join(PAGES, 'phone.html'));
  const files = new Map<string, Blob>(libraries.map((library) => [`/${library}/`, html]));
  libraries.forEach((library, i) => {
    const bundle = outputs[i];
    if (bundle) files.set(`/${library}/phone.js`, bundle);
  });
  const server = Bun.serve({
    hostname: '127.0.0.1',
    port: 0,
    fetch(request) {
      const file = files.get(new URL(request.url).pathname);
      return file ? new Response(file) : new Response('', { status: 404 });
    },
  });
  onCleanup(() => server.stop(true));
  return (library) => new URL(`/${library}/`, server.url).href;
}

export function screenshotPath(name: string): string {
  mkdirSync(SCREENSHOTS, { recursive: true });
  return join(SCREENSHOTS, `${name}.png`);
}

/** Chromium identifies a public key by the SHA-256 of its SubjectPublicKeyInfo. */
function keyHash({ certFile }: TestCertificate): string {
  const { publicKey } = new X509Certificate(readFileSync(certFile));
  return createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
}
