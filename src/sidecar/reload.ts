import { DataError } from '../adapters/sqlite/data-error.ts';
import { Refused } from '../admin/actions.ts';
import type { Config } from '../config/index.ts';
import { CertificateError, type Edge } from '../edge/index.ts';
import type { Logger } from '../lib/logger.ts';
import { DependencyError } from '../ports/errors.ts';
import { ProvisionError } from '../provision/file.ts';
import { provisionAgain } from '../provision/index.ts';
import type { Outbound } from './outbound.ts';
import type { Stores } from './stores.ts';

export interface Reloadable {
  readonly config: Config;
  readonly stores: Stores;
  readonly edge: Edge | undefined;
  readonly outbound: Outbound;
  readonly logger: Logger;
}

/**
 * Reads the provisioning file, the certificates and the carriers again, and clears the cache of accounts. An error in one
 * does not stop the others.
 * @returns what was done, for an operator
 * @throws Refused naming what was not reloaded
 */
export function reload({ config, stores, edge, outbound, logger }: Reloadable): string {
  const failed: string[] = [];
  const done: string[] = [];
  const step = (what: string, work: () => string | undefined) => {
    try {
      const changes = work();
      done.push(changes === undefined ? what : `${what}: ${changes}`);
    } catch (error) {
      if (!isExpected(error)) throw error;
      failed.push(...error.message.split('\n'));
    }
  };
  const { provision: file, tlsCerts } = config.embedded;
  const { provisioning } = stores;
  if (provisioning && file) step(`provisioning applied again from ${file}`, () => provisionAgain(provisioning, file));
  if (edge && tlsCerts.length > 0) step('certificate renewed', () => void edge.reloadCertificates());
  step('cached accounts forgotten', () => void stores.forget());
  outbound.follow();
  logger.info({ done }, 'reloaded');
  if (failed.length === 0) return done.join('; ');
  logger.error({ why: failed }, 'not reloaded, the old state stays');
  // The command prints one line, for an answer could forge others.
  throw new Refused([...failed, 'the old state stays'].join('; '));
}

function isExpected(error: unknown): error is Error {
  return [ProvisionError, CertificateError, DataError, DependencyError].some((kind) => error instanceof kind);
}
