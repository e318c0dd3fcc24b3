import { isIP } from 'node:net';
import * as v from 'valibot';

export const nonEmpty = v.pipe(v.string(), v.nonEmpty('must not be empty'));

export const upTo = (length: number) => v.pipe(nonEmpty, v.maxLength(length, `must have at most ${length} characters`));

export const realm = v.pipe(
  v.string(),
  v.regex(/^(?=.{1,132}$)([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\.)*[a-z]([a-z0-9-]*[a-z0-9])?$/i, 'must be a domain name'),
  v.toLowerCase(),
);

export const host = v.pipe(
  v.string(),
  v.check((text) => isIP(text) !== 0 || /^[a-z0-9_.-]{1,128}$/i.test(text), 'must be an IP address or a name'),
);

const PORT = 'must be a port from 1 to 65535';
export const port = v.pipe(v.number(), v.integer(PORT), v.minValue(1, PORT), v.maxValue(65535, PORT));
