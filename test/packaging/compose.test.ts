import { describe, expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import * as v from 'valibot';
import { ROOT, readYaml, textOf, warningsOf } from './yaml.ts';

const FOLDER = 'packaging/compose/';
const Texts = v.record(v.string(), v.string());
const Service = v.looseObject({
  image: v.string(),
  environment: v.optional(Texts, {}),
  ports: v.optional(v.array(v.string()), []),
  volumes: v.optional(v.array(v.string()), []),
  healthcheck: v.object({ test: v.array(v.string()), interval: v.string(), timeout: v.string(), retries: v.number() }),
});
const Compose = v.looseObject({ services: v.record(v.string(), Service) });
/** `${NAME:?message}` and `${NAME:-default}`, but not `$$NAME`, which is the container's. */
const REFERENCE = /(?<!\$)\$\{(\w+)(?::[?-]([^}]*))?\}/g;

const compose = await readYaml(`${FOLDER}docker-compose.yml`, Compose);
const services = Object.entries(compose.services);
const example = await textOf(`${FOLDER}.env.example`);
const settings = Object.fromEntries(
  [...example.matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
);

/** With the values of .env.example, secrets replaced as it asks for. */
function resolved(text: string): string {
  return text.replace(REFERENCE, (_, name, fallback) =>
    name in settings ? settings[name].replace('change-me', 'a secret of some length') : (fallback ?? ''),
  );
}

describe('the compose file', () => {
  test('configures the sidecar; the one warning is for HTTP, which Docker publishes on loopback', () => {
    const environment = Object.entries(compose.services.sidecar?.environment ?? {});
    const warnings = warningsOf(Object.fromEntries(environment.map(([name, value]) => [name, resolved(value)])));
    expect(warnings).toEqual([expect.stringContaining('HTTP_ADMIN_TOKEN goes to HTTP_HOST 0.0.0.0 unencrypted')]);
  });

  test('.env.example has the variables that it refers to, and no other', async () => {
    const text = await textOf(`${FOLDER}docker-compose.yml`);
    const referred = new Set([...text.matchAll(REFERENCE)].map(([, name]) => String(name)));
    expect(Object.keys(settings).sort()).toEqual([...referred].sort());
  });

  test('names a version of every image', () => {
    for (const [, { image }] of services) expect(image).toMatch(/^[\w./-]+:(v?\d+\.\d[\w.-]*|trial)$/);
  });

  test('publishes SIP at the configured address, and all else on loopback', () => {
    const published = services.flatMap(([name, { ports }]) =>
      ports.map((port) => `${name} ${port.replace(REFERENCE, '$1')}`),
    );
    const open = published.filter((port) => !port.includes(' 127.0.0.1:'));
    expect(open).toEqual(['drachtio SIP_ADDRESS:5060:5060/udp', 'drachtio SIP_ADDRESS:5060:5060/tcp']);
  });

  test('mounts files that exist', () => {
    const files = services.flatMap(([, { volumes }]) => volumes).map((volume) => volume.replace(REFERENCE, '$2'));
    const paths = files.filter((volume) => volume.startsWith('.')).map((volume) => volume.split(':')[0] ?? '');
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) expect([path, existsSync(new URL(FOLDER + path, ROOT))]).toEqual([path, true]);
  });
});
