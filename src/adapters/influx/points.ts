import { Point } from '@influxdata/influxdb-client';
import { cut } from '../../lib/text.ts';
import type { Clock } from '../../lib/timers.ts';
import type { Alert, SystemAlert } from '../../ports/alerts.ts';

/** Databases of InfluxDB 1.x; also the names of the measurements in them. */
export const DATABASES = ['alerts', 'system_alerts'] as const;
export type Database = (typeof DATABASES)[number];

/** A point, as a line of the line protocol. */
export interface PointLine {
  readonly database: Database;
  readonly line: string;
}

/** Makes unique times, in nanoseconds since the epoch, as text. */
export type PointTimes = () => string;

type Values = Readonly<Record<string, string | undefined>>;

/** In UTF-16 units; the bound on what is kept in memory depends on it. */
const MAX_TEXT_LENGTH = 1_000;
/** Of the nanoseconds in a millisecond. */
const DIGITS = 6;
/** The first time in a millisecond is in its first half, in nanoseconds, so that others have room. */
const HALF_MS = 500_000;
const COMPONENT = 'sbc-sip-sidecar';

export function alertPoint(alert: Alert, time: string): PointLine {
  const { type, message, detail, accountSid, serviceProviderSid, targetSid } = alert;
  const tags = { alert_type: type, service_provider_sid: serviceProviderSid, account_sid: accountSid };
  return point('alerts', tags, { message, detail, target_sid: targetSid }, time);
}

/** @param host name of this host */
export function systemAlertPoint({ state, detail }: SystemAlert, host: string, time: string): PointLine {
  return point('system_alerts', { system_component: COMPONENT, state }, { detail, host }, time);
}

/**
 * Points of one series and time replace each other. The part below a millisecond is random, so that sidecars of one
 * cluster do not replace each other's.
 */
export function pointTimes(clock: Clock, random: () => number): PointTimes {
  let ms = Number.NaN;
  let nanoseconds = 0;
  return () => {
    const now = clock.now();
    nanoseconds = now === ms ? nanoseconds + 1 : Math.floor(random() * HALF_MS);
    ms = now;
    return `${ms}${String(nanoseconds).padStart(DIGITS, '0')}`;
  };
}

function point(database: Database, tags: Values, fields: Values, time: string): PointLine {
  const made = new Point(database).timestamp(time);
  for (const [name, value] of Object.entries(tags)) if (value) made.tag(name, tagValue(value));
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) made.stringField(name, storable(value));
  return { database, line: made.toLineProtocol() ?? '' };
}

/** A backslash at the end would escape what follows the tag. */
function tagValue(text: string): string {
  return storable(text).replace(/\\+$/, '');
}

function storable(text: string): string {
  return cut(text, MAX_TEXT_LENGTH);
}
