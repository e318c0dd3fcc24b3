import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'trunk', description: 'Registrations at carriers: see them, renew them' },
  subCommands: {
    list: () => import('./list.ts').then((m) => m.default),
    show: () => import('./show.ts').then((m) => m.default),
    refresh: () => import('./refresh.ts').then((m) => m.default),
  },
});
