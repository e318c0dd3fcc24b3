import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'gateway', description: "Carriers' gateways that are pinged" },
  subCommands: {
    list: () => import('./list.ts').then((m) => m.default),
  },
});
