import { startMariadb } from '../../test/support/mariadb.ts';
import { bareEdge, bareResponder } from '../sides/bare.ts';
import { embedded } from '../sides/embedded.ts';
import { kamailioInMariadb, kamailioInMemory } from '../sides/kamailio.ts';
import { nodeProgram, production } from '../sides/production.ts';
import type { Side } from '../sides/side.ts';
import { comparison } from './compare.ts';
import { users, usersInProduction } from './growth.ts';
import { overload } from './overload.ts';
import type { Options, Part } from './part.ts';

/** In the order in which they run and are shown. */
export const PARTS: readonly Part[] = [
  comparison('register', 'Registrations at 1 000/s', [{ work: 'full', rate: 1000 }], registrars),
  comparison('ceiling', 'Registrations, closed loop', [{ work: 'full', rate: 0 }], registrars),
  comparison(
    'options',
    'OPTIONS',
    [
      { work: 'options', rate: 1000 },
      { work: 'options', rate: 0 },
    ],
    ({ binary }, count) => Promise.all([bareResponder(), bareEdge(), embedded(binary, count), kamailioInMemory()]),
  ),
  comparison(
    'refresh',
    'Refreshes',
    [
      { work: 'refresh', rate: 1000 },
      { work: 'refresh', rate: 0 },
    ],
    ({ binary }, count) => Promise.all([bareResponder(), bareEdge(), embedded(binary, count)]),
  ),
  comparison(
    'unregister',
    'Registrations and their removal',
    [
      { work: 'unregister', rate: 500 },
      { work: 'unregister', rate: 0 },
    ],
    ({ binary }, count) => Promise.all([embedded(binary, count), kamailioInMemory(), kamailioInMariadb(count)]),
  ),
  comparison(
    'production',
    'Production: registrations and their removal',
    [
      { work: 'unregister', rate: 400 },
      { work: 'unregister', rate: 0 },
    ],
    inProduction,
  ),
  comparison(
    'production-refresh',
    'Production: refreshes and OPTIONS',
    [
      { work: 'refresh', rate: 800 },
      { work: 'options', rate: 800 },
    ],
    inProduction,
  ),
  overload,
  users,
  usersInProduction,
];

function registrars({ binary }: Options, count: number) {
  return Promise.all([
    bareResponder(),
    bareEdge(),
    embedded(binary, count),
    kamailioInMemory(),
    kamailioInMariadb(count),
  ]);
}

/** The sidecar, and the Node program beside it when its directory is given. */
async function inProduction({ binary, drachtio, nodeSidecar }: Options, count: number): Promise<Side[]> {
  const mariadb = await startMariadb();
  const options = { binary, drachtio, users: count };
  const sides = [production(options, mariadb)];
  if (nodeSidecar !== undefined) sides.push(nodeProgram(nodeSidecar, options, mariadb));
  return Promise.all(sides);
}
