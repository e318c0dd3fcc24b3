import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = join(import.meta.dir, 'page');

export interface PageFile {
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

/** The files of the status page, its scripts as one. Called as a macro; Bun.build would wait for the build that calls it. */
export function pageFiles(): PageFile[] {
  const read = (name: string) => readFileSync(join(PAGE, name), 'utf8');
  return [
    { path: '/', type: 'text/html', text: read('index.html') },
    { path: '/page.css', type: 'text/css', text: read('page.css') },
    { path: '/page.js', type: 'text/javascript', text: script() },
    { path: '/icon.svg', type: 'image/svg+xml', text: read('icon.svg') },
  ];
}

function script(): string {
  const args = ['build', '--target=browser', '--format=esm', '--minify', join(PAGE, 'main.ts')];
  const { success, stdout, stderr } = Bun.spawnSync([process.execPath, ...args]);
  if (!success) throw new Error(`bundling the status page: ${stderr}`);
  return stdout.toString();
}
