import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'reg', description: 'Show, count and remove registrations of phones' },
  subCommands: {
    list: () => import('./list.ts').then((m) => m.default),
    show: () => import('./show.ts').then((m) => m.default),
    count: () => import('./count.ts').then((m) => m.default),
    remove: () => import('./remove.ts').then((m) => m.default),
  },
});
