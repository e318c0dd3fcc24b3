import { LatestWrites } from '../lib/latest-writes.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { CarrierDirectory, RegisterStatus } from '../ports/carriers.ts';

/** Concurrent writes; ten thousand trunks may change together. */
const CONCURRENCY = 4;

/** Writes carriers' register_status: the latest of each carrier, repeated until the database has taken it. */
export function statusWriter(
  directory: Pick<CarrierDirectory, 'saveRegisterStatus'>,
  timers: Timers,
  logger: Logger,
): LatestWrites<RegisterStatus> {
  return new LatestWrites({
    what: 'register_status',
    concurrency: CONCURRENCY,
    timers,
    logger,
    write: (carrierSid, status) => directory.saveRegisterStatus(carrierSid, status),
  });
}
