import { type CommandDef, defineCommand } from 'citty';
import { VERSION } from '../lib/version.ts';

/** The command tree. Commands are imported lazily, for a fast start. */
export const root: CommandDef = defineCommand({
  meta: {
    name: 'sbc-sip-sidecar',
    version: VERSION,
    description: 'SIP registrar for a jambonz SBC',
  },
  subCommands: {
    serve: () => import('./serve.ts').then((m) => m.default),
    status: () => import('./status.ts').then((m) => m.default),
    reg: () => import('./reg/index.ts').then((m) => m.default),
    events: () => import('./events.ts').then((m) => m.default),
    fs: () => import('./fs/index.ts').then((m) => m.default),
    trunk: () => import('./trunk/index.ts').then((m) => m.default),
    gateway: () => import('./gateway/index.ts').then((m) => m.default),
    ban: () => import('./ban/index.ts').then((m) => m.default),
    log: () => import('./log/index.ts').then((m) => m.default),
    config: () => import('./config.ts').then((m) => m.default),
    set: () => import('./set.ts').then((m) => m.default),
    get: () => import('./get.ts').then((m) => m.default),
    list: () => import('./list.ts').then((m) => m.default),
    reload: () => import('./reload.ts').then((m) => m.default),
    version: () => import('./version.ts').then((m) => m.default),
    help: () => import('./help.ts').then((m) => m.default),
    __complete: () => import('./completion/values.ts').then((m) => m.default),
    completion: () => import('./completion/index.ts').then((m) => m.default),
  },
});
