import { type Effect, SettingError } from '../admin/settings.ts';
import type { Log } from '../lib/log.ts';

export function logLevelSetting(logger: Log): Effect {
  const levels = [...Object.keys(logger.levels.values), 'silent'];
  return {
    get: () => logger.level,
    set(value) {
      const level = levels.find((l) => l === value);
      if (level === undefined) throw new SettingError(`logLevel must be one of ${levels.join(', ')}`);
      logger.level = level;
    },
  };
}
