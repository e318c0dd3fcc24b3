/** Why a connection or a datagram failed, by the error's code, in words for an operator. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by the peer',
  EPIPE: 'the peer closed the connection',
  ETIMEDOUT: 'connection timed out',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  EADDRNOTAVAIL: 'no local address or port left for it',
  EMFILE: 'too many open files',
  EMSGSIZE: 'too long for a datagram',
  EACCES: 'not permitted',
  EPERM: 'not permitted',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not valid yet',
  CERT_REVOKED: 'certificate is revoked',
  INVALID_PURPOSE: 'certificate is not one of a server',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate is of an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate is of an authority that is not trusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate is of an authority that is not trusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate is of an authority that is not trusted',
};

/** The same by the name of the TLS error. */
const TLS_REASONS: Readonly<Record<string, string>> = {
  WRONG_VERSION_NUMBER: 'the peer does not speak TLS on this port',
  TLSV1_ALERT_PROTOCOL_VERSION: 'the peer has neither TLS 1.2 nor 1.3',
  TLSV1_ALERT_CERTIFICATE_REQUIRED: 'the peer asks for a certificate of ours',
  TLSV1_UNRECOGNIZED_NAME: 'the peer does not know the name sent as SNI',
};

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  const [, tls] = /^error:[\da-f]+:SSL routines:\w*:(\w+)/i.exec(error.message) ?? [];
  if (tls !== undefined) return TLS_REASONS[tls] ?? `TLS: ${tls.toLowerCase().replaceAll('_', ' ')}`;
  return REASONS[code] ?? error.message;
}
