import { expect, test } from 'bun:test';
import type { DependencyHealth } from '../../src/lib/dependency.ts';
import { type Phase, type Readiness, readinessOf } from '../../src/sidecar/readiness.ts';

type State = DependencyHealth['state'];

const health = (name: string, state: State): DependencyHealth => ({ name, address: 'a:1', state, since: 0 });

const CASES: readonly [Phase, sip: State, store: State, database: State, Readiness['state'], string?][] = [
  ['serving', 'up', 'up', 'up', 'ready'],
  ['serving', 'up', 'up', 'down', 'degraded', 'MySQL does not answer'],
  ['serving', 'up', 'up', 'unknown', 'not ready', 'MySQL has not answered yet'],
  ['serving', 'up', 'down', 'up', 'not ready', 'Redis does not answer'],
  ['serving', 'up', 'down', 'down', 'not ready', 'Redis does not answer'],
  ['serving', 'down', 'up', 'up', 'not ready', 'drachtio does not answer'],
  ['serving', 'down', 'up', 'down', 'not ready', 'drachtio does not answer'],
  ['starting', 'unknown', 'unknown', 'unknown', 'not ready', 'drachtio has not answered yet'],
  ['starting', 'up', 'up', 'up', 'not ready', 'starting'],
  ['stopping', 'up', 'up', 'up', 'not ready', 'stopping'],
  ['stopping', 'up', 'down', 'up', 'not ready', 'stopping'],
];

for (const [phase, sip, store, database, state, why] of CASES)
  test(`${phase}, SIP server ${sip}, store ${store}, database ${database}: ${state}`, () => {
    const readiness = readinessOf(phase, {
      sip: health('drachtio', sip),
      store: health('Redis', store),
      database: health('MySQL', database),
    });
    expect(readiness).toEqual(why === undefined ? { state } : { state, why });
  });
