/** A library that Bun is linked with. */
export interface RuntimePart {
  readonly name: string;
  /** An SPDX expression, or `several`. */
  readonly license: string;
  readonly source: string;
  /** Its version or commit; undefined when Bun does not say. */
  readonly version: string | undefined;
}

/** From LICENSE.md of Bun, and its `process.versions`. */
export const RUNTIME_PARTS: readonly RuntimePart[] = [
  part('JavaScriptCore', 'LGPL-2.1-or-later', 'https://github.com/oven-sh/WebKit', 'webkit'),
  part('TinyCC', 'LGPL-2.1-or-later', 'https://github.com/tinycc/tinycc', 'tinycc'),
  part('BoringSSL', 'several', 'https://boringssl.googlesource.com/boringssl', 'boringssl'),
  part('brotli', 'MIT', 'https://github.com/google/brotli'),
  part('c-ares', 'MIT', 'https://github.com/c-ares/c-ares', 'ares'),
  part('highway', 'Apache-2.0', 'https://github.com/google/highway'),
  part('ICU', 'Unicode-3.0', 'https://github.com/unicode-org/icu', 'icu'),
  part('libarchive', 'several', 'https://github.com/libarchive/libarchive', 'libarchive'),
  part('base64', 'BSD-2-Clause', 'https://github.com/aklomp/base64'),
  part('libdeflate', 'MIT', 'https://github.com/ebiggers/libdeflate', 'libdeflate'),
  part('libjpeg-turbo', 'several', 'https://github.com/libjpeg-turbo/libjpeg-turbo'),
  part('libspng', 'BSD-2-Clause', 'https://github.com/randy408/libspng'),
  part('libwebp', 'BSD-3-Clause', 'https://github.com/webmproject/libwebp'),
  part('lol-html', 'BSD-3-Clause', 'https://github.com/cloudflare/lol-html', 'lolhtml'),
  part('ls-hpack', 'MIT', 'https://github.com/litespeedtech/ls-hpack', 'lshpack'),
  part('ls-qpack', 'MIT', 'https://github.com/litespeedtech/ls-qpack'),
  part('lsquic', 'MIT AND BSD-3-Clause', 'https://github.com/litespeedtech/lsquic'),
  part('mimalloc', 'MIT', 'https://github.com/microsoft/mimalloc', 'mimalloc'),
  part('picohttpparser', 'MIT', 'https://github.com/h2o/picohttpparser', 'picohttpparser'),
  part('simdutf', 'Apache-2.0', 'https://github.com/simdutf/simdutf'),
  part('SQLite', 'blessing', 'https://www.sqlite.org', 'sqlite'),
  part('uSockets', 'Apache-2.0', 'https://github.com/uNetworking/uSockets', 'usockets'),
  part('uWebSockets', 'Apache-2.0', 'https://github.com/uNetworking/uWebSockets', 'uwebsockets'),
  part('uucode', 'MIT', 'https://github.com/jacobsandlund/uucode'),
  part('zlib', 'Zlib', 'https://github.com/zlib-ng/zlib-ng', 'zlib'),
  part('zstd', 'BSD-3-Clause', 'https://github.com/facebook/zstd', 'zstd'),
];

function part(name: string, license: string, source: string, key?: string): RuntimePart {
  return { name, license, source, version: key === undefined ? undefined : process.versions[key] };
}
