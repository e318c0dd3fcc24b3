const MS: Readonly<Record<string, number>> = { '': 1000, s: 1000, m: 60_000, h: 3_600_000 };

/** Parses `90s`, `10m`, `1h` or plain seconds to ms; undefined for zero and anything else. */
export function readDuration(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,6})([smh]?)$/.exec(text) ?? [];
  return Number(digits) * (MS[unit] ?? 0) || undefined;
}

/** Formats milliseconds: `12 s`, `5 min`, `3 h 12 min`, `2 d 4 h`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [minutes, hours, days] = [Math.floor(seconds / 60), Math.floor(seconds / 3600), Math.floor(seconds / 86_400)];
  if (minutes === 0) return `${seconds} s`;
  if (hours === 0) return `${minutes} min`;
  return days === 0 ? `${hours} h ${minutes % 60} min` : `${days} d ${hours % 24} h`;
}

/** `12 s ago`. Both times are ms. @param never the text for null */
export function ago(at: number | null, now: number, never: string): string {
  return at === null ? never : `${duration(now - at)} ago`;
}

/** `in 12 s`, or `now` for a time in the past. @param never the text for null */
export function until(at: number | null, now: number, never: string): string {
  if (at === null) return never;
  return at <= now ? 'now' : `in ${duration(at - now)}`;
}
