import { describe, expect, test } from 'bun:test';
import * as v from 'valibot';
import { readYaml, warningsOf } from './yaml.ts';

const SecretKeyRef = v.object({ name: v.string(), key: v.string() });
const Env = v.union([
  v.object({ name: v.string(), value: v.string() }),
  v.object({ name: v.string(), valueFrom: v.object({ secretKeyRef: SecretKeyRef }) }),
]);
const HttpProbe = v.looseObject({ httpGet: v.object({ host: v.string(), port: v.number(), path: v.string() }) });
const Container = v.looseObject({
  name: v.string(),
  env: v.optional(v.array(Env), []),
  lifecycle: v.optional(v.object({ preStop: v.object({ exec: v.object({ command: v.array(v.string()) }) }) })),
  startupProbe: v.optional(HttpProbe),
  livenessProbe: v.optional(HttpProbe),
  readinessProbe: v.optional(HttpProbe),
});
const PodSpec = v.looseObject({ terminationGracePeriodSeconds: v.number(), containers: v.array(Container) });
const DaemonSet = v.looseObject({
  kind: v.literal('DaemonSet'),
  spec: v.looseObject({ template: v.looseObject({ spec: PodSpec }) }),
});
const Secret = v.looseObject({ kind: v.literal('Secret'), stringData: v.record(v.string(), v.string()) });
const Other = v.looseObject({ kind: v.picklist(['Namespace', 'ConfigMap']) });

const manifest = await readYaml('packaging/kubernetes/sbc-sip.yaml', v.array(v.union([DaemonSet, Secret, Other])));
const patch = await readYaml('packaging/helm/sidecar.patch.yaml', DaemonSet);

/** What the template of the platform's chart sets; secrets and hosts are made up. */
const CHART = {
  NODE_ENV: 'production',
  K8S: '1',
  JAMBONES_REGBOT_CONTACT_USE_IP: '1',
  JAMBONES_LOGLEVEL: 'info',
  JAMBONES_REDIS_HOST: 'redis.jambonz',
  JAMBONES_REDIS_PORT: '6379',
  JAMBONES_MYSQL_DATABASE: 'jambones',
  JAMBONES_MYSQL_HOST: 'mysql.jambonz',
  JAMBONES_MYSQL_USER: 'jambones',
  JAMBONES_MYSQL_PASSWORD: 'made-up-password',
  JAMBONES_TIME_SERIES_HOST: 'influxdb.jambonz',
  ENABLE_METRICS: '1',
  K8S_POD_NAME: 'jambonz-sbc-sip-x7k2p',
  STATS_HOST: 'telegraf.jambonz',
  STATS_PORT: '8125',
  STATS_TAGS: 'pod:jambonz-sbc-sip-x7k2p',
  STATS_PROTOCOL: 'tcp',
  STATS_TELEGRAF: '1',
  STATS_SAMPLE_RATE: '1',
  DRACHTIO_HOST: '127.0.0.1',
  DRACHTIO_SECRET: 'made-up-secret',
  DRACHTIO_PORT: '9022',
  JWT_SECRET: 'made-up-secret',
  JAMBONZ_RECORD_WS_USERNAME: 'jambonz',
  JAMBONZ_RECORD_WS_PASSWORD: 'made-up-secret',
};

function daemonSet() {
  for (const resource of manifest) if (resource.kind === 'DaemonSet') return v.parse(DaemonSet, resource);
  throw new Error('no DaemonSet');
}

function container(set: v.InferOutput<typeof DaemonSet>, name: string) {
  const found = set.spec.template.spec.containers.find((one) => one.name === name);
  if (!found) throw new Error(`no container ${name}`);
  return found;
}

function environment(set: v.InferOutput<typeof DaemonSet>): Record<string, string> {
  const { env } = container(set, 'sidecar');
  return Object.fromEntries(env.map((one) => [one.name, 'value' in one ? one.value : 'made-up-secret']));
}

for (const [name, set, chart] of [
  ['the manifest', daemonSet(), {}],
  ['the patch of the chart', patch, CHART],
] as const) {
  describe(name, () => {
    const sidecar = container(set, 'sidecar');

    test('configures the sidecar without a warning', () => {
      expect(warningsOf({ ...chart, ...environment(set) })).toEqual([]);
    });

    test('probes what the sidecar answers on loopback', () => {
      const { HTTP_PORT, HTTP_HOST = '127.0.0.1' } = environment(set);
      const asked = { host: HTTP_HOST, port: Number(HTTP_PORT) };
      expect(sidecar.startupProbe?.httpGet).toEqual({ ...asked, path: '/healthz' });
      expect(sidecar.livenessProbe?.httpGet).toEqual({ ...asked, path: '/healthz' });
      expect(sidecar.readinessProbe?.httpGet).toEqual({ ...asked, path: '/readyz' });
    });

    test('stops drachtio after the sidecar has had its grace', () => {
      const [command, seconds] = container(set, 'drachtio').lifecycle?.preStop.exec.command ?? [];
      const graceSeconds = Number(environment(set).JAMBONES_SHUTDOWN_GRACE_MS ?? 5000) / 1000;
      expect(command).toBe('sleep');
      expect(Number(seconds)).toBeGreaterThan(graceSeconds);
      expect(set.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThan(Number(seconds));
    });
  });
}

test('the manifest and the patch of the chart harden the sidecar alike', () => {
  const { securityContext, resources, ...one } = container(daemonSet(), 'sidecar');
  const other = container(patch, 'sidecar');
  expect(other.securityContext).toEqual(securityContext);
  expect(other.resources).toEqual(resources);
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const)
    expect(other[probe]).toEqual(one[probe]);
});

test('every secret of the manifest is in its Secret', () => {
  const keys = manifest.flatMap((resource) =>
    'stringData' in resource ? Object.keys(v.parse(Secret, resource).stringData) : [],
  );
  for (const { env } of daemonSet().spec.template.spec.containers)
    for (const one of env) if ('valueFrom' in one) expect(keys).toContain(one.valueFrom.secretKeyRef.key);
});
