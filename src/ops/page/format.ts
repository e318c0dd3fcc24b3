/** `12 s`, `3 min`, `5 h`, `2 d`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** A moment in the past as seen from `now`; `–` for none. */
export function ago(at: number | null, now: number): string {
  return at === null ? '–' : `${duration(now - at)} ago`;
}

/** A moment in the future as seen from `now`; `–` for none. */
export function until(at: number | null, now: number): string {
  return at === null ? '–' : `in ${duration(at - now)}`;
}

/** A latency: `< 0.1 ms`, `0.4 ms`, `12 ms`, `1.2 s`; `–` for none. */
export function latency(ms: number | null): string {
  if (ms === null) return '–';
  if (ms < 0.1) return '< 0.1 ms';
  if (ms >= 1000) return `${(ms / 1000).toPrecision(2)} s`;
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toPrecision(2)} ms`;
}

export function count(value: number | null): string {
  return value === null ? 'unknown' : value.toLocaleString('en').replaceAll(',', '\u202f');
}

/** `1 binding`, `2 bindings`. */
export function plural(value: number, noun: string): string {
  return `${count(value)} ${noun}${value === 1 ? '' : 's'}`;
}

/** Time of day, `14:03:59`. */
export function clock(at: number): string {
  return new Date(at).toLocaleTimeString('en-GB');
}

/** `host:port`; only the host without a port. */
export function hostPort(host: string, port: number | null): string {
  return port === null ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
