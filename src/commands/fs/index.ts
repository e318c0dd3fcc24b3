import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'fs', description: 'Show feature servers, take them out of service, bring them back' },
  subCommands: {
    list: () => import('./list.ts').then((m) => m.default),
    watch: () => import('./watch.ts').then((m) => m.default),
    drain: () => import('./drain.ts').then((m) => m.default),
    undrain: () => import('./undrain.ts').then((m) => m.default),
    drained: () => import('./drained.ts').then((m) => m.default),
    active: () => import('./active.ts').then((m) => m.default),
  },
});
