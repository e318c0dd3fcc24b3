import { describe, expect, test } from 'bun:test';
import { EventBus } from '../../src/events/bus.ts';
import { RecentFigures } from '../../src/ops/recent-figures.ts';
import { StatusPage } from '../../src/ops/status-page.ts';
import { RecordingLogger } from '../support/logger.ts';
import { ManualTimers } from '../support/timers.ts';
import { ask } from './support.ts';

function start(readable = true) {
  const timers = new ManualTimers();
  return new StatusPage({
    access: { token: '', readable },
    perform: async () => ({ success: true }),
    figures: () => ({ seconds: [] }),
    recent: new RecentFigures(timers),
    bus: new EventBus(timers),
    timers,
    logger: new RecordingLogger(),
  }).routes;
}

const FILES = [
  ['/', 'text/html; charset=utf-8'],
  ['/page.css', 'text/css; charset=utf-8'],
  ['/page.js', 'text/javascript; charset=utf-8'],
  ['/icon.svg', 'image/svg+xml; charset=utf-8'],
];

describe('the files of the page', () => {
  test.each(FILES)('%s is of the type %s and has the policy', async (path, type) => {
    const { status, headers } = await ask(start(), path);
    expect([status, headers.get('Content-Type')]).toEqual([200, type]);
    const policy = headers.get('Content-Security-Policy')?.split('; ') ?? [];
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("require-trusted-types-for 'script'");
    expect(policy.join()).not.toMatch(/unsafe|\*|data:|http/);
  });

  test('are the same for those who may read nothing else', async () => {
    const routes = start(false);
    for (const [path = ''] of FILES) expect((await ask(routes, path)).status).toBe(200);
    for (const path of ['status', 'fs-list', 'reg-list', 'figures', 'events'])
      expect((await ask(routes, `/api/${path}`)).status).toBe(403);
  });

  test('the page refers to no other files, and has neither script nor style in it', async () => {
    const html = await (await ask(start(), '/')).text();
    const references = [...html.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, target]) => target);
    expect(new Set(references)).toEqual(new Set(['/icon.svg', '/page.css', '/page.js', '#main']));
    expect(html).not.toMatch(/<style|\bstyle=|\bon\w+=|<script(?![^>]*src=)/i);
  });

  test('the script makes no HTML or code of text, and names no other host', async () => {
    const script = await (await ask(start(), '/page.js')).text();
    expect(script).not.toMatch(
      /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser/,
    );
    expect([...script.matchAll(/https?:\/\/[^"'`\s]+/g)].map(([url]) => url)).toEqual(['http://www.w3.org/2000/svg']);
    expect(script).not.toMatch(/localStorage|sessionStorage|document\.cookie/);
  });

  test('the style loads nothing', async () => {
    expect(await (await ask(start(), '/page.css')).text()).not.toMatch(/url\(|@import/);
  });
});
