import { defineCommand } from 'citty';

export default defineCommand({
  meta: { name: 'log', description: 'Change what the running sidecar logs' },
  subCommands: {
    level: () => import('./level.ts').then((m) => m.default),
  },
});
