#!/usr/bin/env bun
import { type CommandDef, defineCommand } from 'citty';
import { runCommandLine } from './commands/run.ts';
import { VERSION } from './version.ts';

/** Every command is imported when it is called for, so that short ones start fast. */
export const root: CommandDef = defineCommand({
  meta: {
    name: 'sbc-sip-sidecar',
    version: VERSION,
    description: 'SIP registrar for a jambonz SBC',
  },
  subCommands: {
    serve: () => import('./commands/serve.ts').then((m) => m.default),
  },
});

// Not awaited at the top level: a rejection there would print, but not end the process.
if (import.meta.main) void runCommandLine(root, process.argv.slice(2));
