import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { ask } from '../../src/admin/client.ts';
import { portOf, request, UdpPeer } from '../edge/support.ts';
import { sidecarBinary } from '../support/binary.ts';
import { type Carrier, insertCarrier, removeCarriers } from '../support/carriers.ts';
import { onCleanup, temporaryDirectory } from '../support/cleanup.ts';
import { within } from '../support/deadline.ts';
import { DrachtioDouble } from '../support/drachtio/index.ts';
import { eventually } from '../support/eventually.ts';
import { RecordingLogger } from '../support/logger.ts';
import { sharedMariadb } from '../support/mariadb.ts';
import { type SpawnedProcess, spawnProcess } from '../support/process.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { insertAccount, insertClient } from '../support/schema.ts';
import { SipPeer } from '../support/sip-peer.ts';
import { SipPhone } from '../support/sip-phone.ts';
import { Registrar } from '../support/sip-registrar.ts';
import { QUICK, trunk } from './outbound.ts';
import { outsideStores } from './sidecar.ts';

const START_MS = 15_000;
const SECRET = 'cymru';
const REALM = 'production.example.com';
const LISTEN = (['udp', 'tcp'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));

let redis: RedisServer;
let drachtio: DrachtioDouble;
let sidecar: SpawnedProcess;
let socketPath: string;
let carrier: Carrier;
let registrar: Registrar;
let carrierPeer: SipPeer;

/** The compiled binary beside a drachtio server, Redis and MariaDB, with one user and one carrier. */
beforeAll(async () => {
  const mysql = await sharedMariadb();
  redis = await startRedis();
  const accountSid = await insertAccount({ realm: REALM });
  await insertClient({ accountSid, username: 'alice', password: 'wonderland', secret: 's' });
  registrar = new Registrar({ password: () => 'secret', realm: 'carrier.test', grant: () => 600 });
  carrierPeer = await SipPeer.start(registrar.script, '127.0.0.9');
  carrier = await insertCarrier(
    { requires_register: 1, register_username: 'us', register_password: 'secret', register_sip_realm: 'carrier.test' },
    { ipv4: carrierPeer.host, port: carrierPeer.port },
  );
  drachtio = await DrachtioDouble.start({ listen: LISTEN, secret: SECRET, logger: new RecordingLogger() });
  const cwd = temporaryDirectory('production');
  socketPath = `${cwd}/admin.sock`;
  sidecar = spawnProcess(await sidecarBinary(), ['serve'], {
    cwd,
    env: {
      ...outsideStores(redis, mysql, 's'),
      ...QUICK,
      DRACHTIO_HOST: '127.0.0.1',
      DRACHTIO_PORT: String(drachtio.controlPort),
      DRACHTIO_SECRET: SECRET,
      JAMBONES_TIME_SERIES_HOST: 'none',
      SBC_SOCKET_PATH: socketPath,
    },
  });
  onCleanup(() => sidecar.kill('SIGKILL'));
  await sidecar.line(/"ready"/, START_MS);
});

afterAll(async () => {
  await drachtio.stop();
  await removeCarriers();
});

function server() {
  return { host: '127.0.0.1', port: portOf(drachtio.layer, 'udp') };
}
