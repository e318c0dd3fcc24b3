/** Loaded before the first test file: what the tests started is stopped after the last one. */
import { afterAll } from 'bun:test';
import { runCleanup } from './cleanup.ts';

afterAll(runCleanup);
