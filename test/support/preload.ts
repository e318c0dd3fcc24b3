/** Loaded before the first test file. */
import { afterAll } from 'bun:test';
import { runCleanup } from './cleanup.ts';

afterAll(runCleanup);
