import { flag, integer, list, milliseconds, seconds, sipCode, text } from './variable.ts';

/** Registrations at carriers. */
export const regbot = {
  defaultExpires: integer('JAMBONES_REGBOT_DEFAULT_EXPIRES_INTERVAL', 'Expiry requested from carriers.', 3600, {
    ...seconds,
    min: 1,
  }),
  minExpires: integer(
    'JAMBONES_REGBOT_MIN_EXPIRES_INTERVAL',
    'Shorter expiries granted by a carrier are raised to this.',
    30,
    seconds,
  ),
  contactUseIp: flag('JAMBONES_REGBOT_CONTACT_USE_IP', 'Use our public IP address in Contact.'),
  userAgent: text('JAMBONES_REGBOT_USER_AGENT', 'User-Agent of outbound registrations.', ''),
  batchSize: integer('JAMBONES_REGBOT_BATCH_SIZE', 'Registrations started per batch.', 10, { min: 1 }),
  batchSleepMs: integer('JAMBONES_REGBOT_BATCH_SLEEP_MS', 'Pause between batches.', 250, milliseconds),
  failureRetrySeconds: integer(
    'JAMBONES_REGBOT_FAILURE_RETRY_INTERVAL',
    'Longest wait before a retry, unless the carrier sends Retry-After.',
    300,
    seconds,
  ),
  failureThreshold: integer(
    'JAMBONES_REGBOT_REGISTER_FAILURE_THRESHOLD',
    'Consecutive responses with a code of `REGISTER_RESPONSE_REMOVE` that disable a registration.',
    3,
    { min: 1 },
  ),
  leaseSeconds: integer('JAMBONES_REGBOT_LEASE_SECONDS', 'Length of the leader’s lease.', 30, { ...seconds, min: 3 }),
  refreshSeconds: integer(
    'JAMBONES_REGBOT_REFRESH_SECONDS',
    'Interval at which carriers are read from the database.',
    60,
    {
      ...seconds,
      min: 1,
    },
  ),
  removeCodes: list(
    'REGISTER_RESPONSE_REMOVE',
    'SIP status codes that count towards `JAMBONES_REGBOT_REGISTER_FAILURE_THRESHOLD`.',
    '',
    sipCode,
  ),
} as const;

/** OPTIONS pings of carriers’ gateways. */
export const ping = {
  intervalSeconds: integer('SEND_OPTIONS_PING_INTERVAL', 'Interval of pings to a gateway.', 60, {
    ...seconds,
    min: 1,
  }),
  ttlSeconds: integer('OPTIONS_PING_TTL', 'How long a gateway stays blacklisted after a failed ping.', 300, {
    ...seconds,
    min: 1,
  }),
  failureThreshold: integer('OPTIONS_PING_FAILURE_THRESHOLD', 'Consecutive failed pings that blacklist a gateway.', 1, {
    min: 1,
  }),
  all: flag('JAMBONES_OPTIONS_PING_ALL', 'Every SBC pings, not only the leader.'),
  removeCodes: list('OPTIONS_RESPONSE_REMOVE', 'SIP status codes that end the pings to a gateway.', '', sipCode),
} as const;

/** This SBC’s public addresses. */
export const sbcAddresses = {
  keepAliveMs: integer(
    'SBC_PUBLIC_ADDRESS_KEEP_ALIVE_IN_MILISECOND',
    'Interval at which our addresses are announced.',
    900_000,
    milliseconds,
  ),
  deadSeconds: integer('DEAD_SBC_IN_SECOND', 'Age after which announced addresses are removed.', 3600, seconds),
} as const;
