import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'ban', description: 'Show and lift bans of addresses that attack us' },
  subCommands: {
    list: () => import('./list.ts').then((m) => m.default),
    clear: () => import('./clear.ts').then((m) => m.default),
  },
});
