import { createHmac } from 'node:crypto';
import type { Clock } from '../lib/timers.ts';

/** The value of Jambonz-Signature: `t=<unix seconds>,v1=<hex HMAC-SHA256 of "<t>.<body>">`. */
export function signature(secret: string, body: string, clock: Clock): string {
  const seconds = Math.floor(clock.now() / 1000);
  return `t=${seconds},v1=${createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')}`;
}
