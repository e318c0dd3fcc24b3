import { join } from 'node:path';
import { onCleanup, temporaryDirectory } from './cleanup.ts';
import { type SpawnedProcess, spawnProcess } from './process.ts';

export interface BaresipOptions {
  /** What it is told at its start, such as `/uanew <sip:…>`. */
  readonly command: string;
  /** The authority that signs servers' certificates. baresip 1.0 reads it and believes every server all the same. */
  readonly caFile?: string;
}

/**
 * Starts baresip, with a configuration and an instance of its own, on 127.0.0.1 only. It speaks of what it does on
 * stdout and stderr; on SIGTERM it unregisters and ends.
 */
export async function startBaresip({ command, caFile }: BaresipOptions): Promise<SpawnedProcess> {
  const directory = temporaryDirectory('baresip');
  const config = [
    'module_path /usr/lib/baresip/modules',
    // Names the instance, understands commands, and reads accounts, of which there are none yet. No audio, no keyboard.
    ...['module_tmp uuid.so', 'module_tmp account.so', 'module_app menu.so'],
    ...['net_interface 127.0.0.1', 'sip_listen 127.0.0.1:0'],
    // Nobody is there. Without this it asks the machine's own.
    'dns_server 127.0.0.1:9',
    ...(caFile === undefined ? [] : [`sip_cafile ${caFile}`]),
  ];
  await Bun.write(join(directory, 'config'), `${config.join('\n')}\n`);
  const baresip = spawnProcess('baresip', ['-4', '-f', directory, '-e', command], { env: { HOME: directory } });
  onCleanup(() => baresip.kill('SIGKILL'));
  return baresip;
}
