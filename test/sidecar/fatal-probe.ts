import { createLogger } from '../../src/lib/log.ts';
import { systemTimers } from '../../src/lib/timers.ts';
import { endOnFault } from '../../src/sidecar/fatal.ts';

/** Logs more than a pipe holds, and ends by an error that nothing catches. */
const { logger, output } = await createLogger('info', 'test', systemTimers);
endOnFault(logger, output);
const later = setInterval(() => logger.info({}, 'later'), 1);
for (let i = 0; i < 1000; i++) logger.info({ filler: 'x'.repeat(1000) }, `line ${i}`);
setImmediate(() => {
  throw new Error('a fault of our own', { cause: later });
});
