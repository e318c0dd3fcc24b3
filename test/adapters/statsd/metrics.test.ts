import { describe, expect, test } from 'bun:test';
import { StatsdMetrics, type StatsdOptions } from '../../../src/adapters/statsd/metrics.ts';
import { RecordingLogger } from '../../support/logger.ts';
import { ManualTimers } from '../../support/timers.ts';
import { tcpServer, udpServer } from './support.ts';

type Options = Omit<StatsdOptions, 'host' | 'port' | 'timers' | 'logger'>;

const PLAIN: Options = { protocol: 'tcp', prefix: '', telegraf: false, sampleRate: 1, tags: [] };

/** What a server receives of some measurements, the last of which is a count of the cluster. */
async function sent(options: Options, measure = measureAll): Promise<string[]> {
  const server = await (options.protocol === 'tcp' ? tcpServer() : udpServer());
  const logger = new RecordingLogger();
  const metrics = new StatsdMetrics({
    ...options,
    host: '127.0.0.1',
    port: server.port,
    timers: new ManualTimers(),
    logger,
  });
  measure(metrics);
  await metrics.stop();
  expect(logger.lines).toEqual([]);
  const lines: string[] = [];
  do lines.push(...(await server.received.next('metrics')).split('\n'));
  while (!lines.at(-1)?.includes('rtpservers'));
  return lines;
}

function measureAll(metrics: StatsdMetrics): void {
  const answer = { result: 'registered', reason: '', status: 200, isCached: false } as const;
  metrics.registerAnswered({ ...answer, ms: 12.4 });
  metrics.registerAnswered({ ...answer, status: 403, ms: 100 });
  metrics.registerAnswered({ ...answer, result: 'refreshed', isCached: true, ms: 0.6 });
  metrics.registerStep();
  metrics.webhookAnswered('granted', 200, 35.5);
  metrics.clusterCounted({ users: 1200, featureServers: 3, rtpServers: 2 });
}

describe.each(['tcp', 'udp'] as const)('over %s', (protocol) => {
  test('the names and tags are those of the platform, in the form of Datadog', async () => {
    expect(await sent({ ...PLAIN, protocol })).toEqual([
      'sbc.registration.total.response_time:12|h|#status:200',
      'sbc.registration.total.response_time:100|h|#status:403',
      'sbc.registration.cached.response_time:1|h|#status:200',
      'app.hook.response_time:36|h|#hook_type:auth,status:200',
      'sbc.users.count:1200|g',
      'featureservers:3|g',
      'rtpservers:2|g',
    ]);
  });

  test('the same with Telegraf’s tags, a prefix and global tags', async () => {
    const options = { protocol, prefix: 'jambonz', telegraf: true, sampleRate: 1, tags: ['env:test', 'region:eu'] };
    expect(await sent(options)).toEqual([
      'jambonz.sbc.registration.total.response_time,env=test,region=eu,status=200:12|h',
      'jambonz.sbc.registration.total.response_time,env=test,region=eu,status=403:100|h',
      'jambonz.sbc.registration.cached.response_time,env=test,region=eu,status=200:1|h',
      'jambonz.app.hook.response_time,env=test,region=eu,hook_type=auth,status=200:36|h',
      'jambonz.sbc.users.count,env=test,region=eu:1200|g',
      'jambonz.featureservers,env=test,region=eu:3|g',
      'jambonz.rtpservers,env=test,region=eu:2|g',
    ]);
  });

  test('a sample rate concerns times and no gauges', async () => {
    const times = (metrics: StatsdMetrics) => {
      for (let i = 0; i < 1000; i++) metrics.webhookAnswered('granted', 200, 5);
      metrics.clusterCounted({ users: 1, featureServers: 0, rtpServers: 0 });
    };
    const lines = await sent({ ...PLAIN, protocol, sampleRate: 0.5 }, times);
    const sampled = lines.filter((line) => line === 'app.hook.response_time:5|h|@0.5|#hook_type:auth,status:200');
    expect(sampled.length).toBeWithin(300, 700);
    expect(lines.slice(-3)).toEqual(['sbc.users.count:1|g', 'featureservers:0|g', 'rtpservers:0|g']);
    expect(lines).toHaveLength(sampled.length + 3);
  });

  test('a sample rate of 0 leaves the gauges', async () => {
    expect(await sent({ ...PLAIN, protocol, sampleRate: 0 })).toEqual([
      'sbc.users.count:1200|g',
      'featureservers:3|g',
      'rtpservers:2|g',
    ]);
  });
});

test('a datagram is no longer than a network takes in one piece', async () => {
  const server = await udpServer();
  const metrics = new StatsdMetrics({
    ...PLAIN,
    protocol: 'udp',
    host: '127.0.0.1',
    port: server.port,
    timers: new ManualTimers(),
    logger: new RecordingLogger(),
  });
  for (let i = 0; i < 100; i++) metrics.webhookAnswered('granted', 200, 5);
  await metrics.stop();
  let lines = 0;
  while (lines < 100) {
    const datagram = await server.received.next('a datagram');
    expect(datagram.length).toBeLessThanOrEqual(1432);
    expect(datagram).not.toEndWith('\n');
    lines += datagram.split('\n').length;
  }
});
