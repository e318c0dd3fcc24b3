import { expect, test } from 'bun:test';
import { loggableUrl } from '../../src/lib/loggable-url.ts';

test.each([
  ['https://hook.example.com/auth', 'https://hook.example.com/auth'],
  ['https://user:secret@hook.example.com:8443/auth', 'https://hook.example.com:8443/auth'],
  ['https://secret@hook.example.com/', 'https://hook.example.com/'],
  ['https://hook.example.com/auth?token=secret&x=1', 'https://hook.example.com/auth'],
  ['https://hook.example.com/auth#secret', 'https://hook.example.com/auth'],
  ['https://hook.example.com/a@b/c', 'https://hook.example.com/a@b/c'],
  ['http:user:secret@hook.example.com/auth', 'http://hook.example.com/auth'],
  ['https://user:se@cret@hook.example.com/', 'https://hook.example.com/'],
  // What is no URL, or one without a host.
  ['hook.example.com/auth', 'hook.example.com/auth'],
  ['user:secret@hook.example.com/auth?token=secret', 'hook.example.com/auth'],
  ['http://user:secret@[bad/auth?token=secret', '[bad/auth'],
  ['http://user:secret@host:port/#secret', 'host:port/'],
  ['https//user:se@cret@hook.example.com/?\nsecret', 'hook.example.com/'],
  ['', ''],
])('%s is logged as %s', (url, logged) => {
  expect(loggableUrl(url)).toBe(logged);
});
