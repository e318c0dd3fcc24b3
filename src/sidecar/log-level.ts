import { LOG_LEVELS } from '../admin/protocol.ts';
import { type Effect, SettingError } from '../admin/settings.ts';
import type { Log } from '../lib/log.ts';
import { didYouMean } from '../lib/nearest.ts';

export function logLevelSetting(logger: Log): Effect {
  return {
    get: () => logger.level,
    set(value) {
      const level = LOG_LEVELS.find((one) => one === value);
      if (level === undefined) throw new SettingError(refusal(value));
      logger.level = level;
    },
  };
}

function refusal(value: unknown): string {
  const hint = typeof value === 'string' ? didYouMean(value, LOG_LEVELS) : '';
  return `logLevel must be one of ${LOG_LEVELS.join(', ')}${hint}`;
}
