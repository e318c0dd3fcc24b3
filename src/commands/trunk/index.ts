import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'trunk', description: 'Show and renew registrations at carriers' },
  subCommands: {
    list: () => import('./list.ts').then((m) => m.default),
    show: () => import('./show.ts').then((m) => m.default),
    refresh: () => import('./refresh.ts').then((m) => m.default),
  },
});
