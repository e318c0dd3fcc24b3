import { join } from 'node:path';
import { onCleanup, temporaryDirectory } from './cleanup.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';

export interface BaresipOptions {
  /** A start-up command such as `/uanew <sip:…>`. */
  readonly command: string;
  /** The CA of servers' certificates. baresip 1.0 reads it, but accepts every server. */
  readonly caFile?: string;
}

/** Starts baresip on 127.0.0.1, with its own configuration. On SIGTERM it un-registers and ends. */
export async function startBaresip({ command, caFile }: BaresipOptions): Promise<SpawnedProcess> {
  const directory = temporaryDirectory('baresip');
  const config = [
    'module_path /usr/lib/baresip/modules',
    // For the instance id, accounts and commands. No audio, no keyboard.
    'module_tmp uuid.so',
    'module_tmp account.so',
    'module_app menu.so',
    'net_interface 127.0.0.1',
    'sip_listen 127.0.0.1:0',
    // Nothing listens there; without it baresip uses the machine's name server.
    'dns_server 127.0.0.1:9',
    ...(caFile === undefined ? [] : [`sip_cafile ${caFile}`]),
  ];
  await Bun.write(join(directory, 'config'), `${config.join('\n')}\n`);
  const baresip = spawnProcess('baresip', ['-4', '-f', directory, '-e', command], { env: { HOME: directory } });
  onCleanup(() => baresip.kill('SIGKILL'));
  return baresip;
}
