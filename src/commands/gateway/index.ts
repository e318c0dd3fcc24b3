import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'gateway', description: "Show the carriers' gateways that are pinged" },
  subCommands: {
    list: () => import('./list.ts').then((m) => m.default),
  },
});
