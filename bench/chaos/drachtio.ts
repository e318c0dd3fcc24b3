import { join } from 'node:path';
import { onCleanup, temporaryDirectory } from '../../test/support/cleanup.ts';
import { freePort, waitForPort } from '../../test/support/net.ts';
import { type SpawnedProcess, spawnProcess } from '../../test/support/process.ts';
import { type Restartable, startRestartable } from '../../test/support/restartable.ts';

const HOST = '127.0.0.1';
const START_MS = 20_000;
const STOP_MS = 5_000;
const SECRET = 'chaos-drachtio-secret';

export interface Drachtio extends Restartable {
  readonly sip: { readonly host: string; readonly port: number };
  /** The variables of a sidecar behind it. */
  readonly env: Readonly<Record<string, string>>;
}

/** Starts a drachtio server. @param program its path; undefined: the double of the tests */
export async function startDrachtio(program: string | undefined): Promise<Drachtio> {
  const [controlPort, port] = [await freePort(), await freePort()];
  const launch = program === undefined ? double(controlPort, port) : await real(program, controlPort, port);
  const server = await startRestartable('drachtio', launch);
  onCleanup(() => server.kill('SIGKILL'));
  return {
    get process() {
      return server.process;
    },
    async kill(signal) {
      // drachtio may hang on SIGTERM; a service manager kills it then, too.
      const timer = setTimeout(() => server.process.kill('SIGKILL'), STOP_MS);
      try {
        await server.kill(signal);
      } finally {
        clearTimeout(timer);
      }
    },
    start: server.start,
    sip: { host: HOST, port },
    env: { DRACHTIO_HOST: HOST, DRACHTIO_PORT: String(controlPort), DRACHTIO_SECRET: SECRET },
  };
}

function double(controlPort: number, port: number) {
  return async (): Promise<SpawnedProcess> => {
    const flags = ['--control-port', String(controlPort), '--port', String(port), '--secret', SECRET];
    const server = spawnProcess(process.execPath, [join(import.meta.dir, 'double.ts'), ...flags]);
    await server.line(/^listening$/, START_MS);
    return server;
  };
}

async function real(program: string, controlPort: number, port: number) {
  const file = join(temporaryDirectory('drachtio'), 'drachtio.conf.xml');
  await Bun.write(
    file,
    `<drachtio>
  <admin port="${controlPort}" secret="${SECRET}">${HOST}</admin>
  <sip><contacts><contact>sip:${HOST}:${port};transport=udp,tcp</contact></contacts></sip>
  <cdrs>false</cdrs>
  <logging><console/><sofia-loglevel>1</sofia-loglevel><loglevel>error</loglevel></logging>
</drachtio>
`,
  );
  return async (): Promise<SpawnedProcess> => {
    const server = spawnProcess(program, ['-f', file]);
    await waitForPort(HOST, controlPort, START_MS);
    return server;
  };
}
