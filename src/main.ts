#!/usr/bin/env bun
import { root } from './commands/root.ts';
import { runCommandLine } from './commands/run.ts';

// Not awaited at the top level: a rejection there would print, but not end the process.
void runCommandLine(root, process.argv.slice(2));
