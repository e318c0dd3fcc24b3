import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Config } from '../../config/index.ts';
import { shellWord } from '../../lib/shell.ts';
import { type Finding, messageOf, ok, warning, wrong } from './finding.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Certificates are renewed a month before they end, by most issuers' clients. */
const SOON_MS = 14 * DAY_MS;

/** The certificates and keys that the edge presents. */
export function checkCertificates({ parts, embedded }: Config, now: number): Finding[] {
  if (parts.sip !== 'edge') return [];
  return embedded.tlsCerts.map((certFile, i) => checkPair(certFile, embedded.tlsKeys[i] ?? '', now));
}

function checkPair(certFile: string, keyFile: string, now: number): Finding {
  let leaf: X509Certificate;
  let key: KeyObject;
  try {
    leaf = new X509Certificate(readFileSync(certFile));
  } catch (error) {
    return wrong(`certificate ${certFile} is not a PEM certificate (${messageOf(error)})`);
  }
  try {
    key = createPrivateKey(readFileSync(keyFile));
  } catch (error) {
    const isLocked = error instanceof Error && 'code' in error && error.code === 'ERR_MISSING_PASSPHRASE';
    if (!isLocked) return wrong(`key ${keyFile} is not a PEM key (${messageOf(error)})`);
    const file = shellWord(keyFile);
    return wrong(`key ${keyFile} has a passphrase; remove it: openssl pkey -in ${file} -out ${file}.plain`);
  }
  if (!leaf.checkPrivateKey(key)) return wrong(`key ${keyFile} is not the key of certificate ${certFile}`);
  const ends = leaf.validToDate.getTime();
  const end = leaf.validToDate.toISOString().slice(0, 10);
  if (ends <= now) return wrong(`certificate ${certFile} expired on ${end}; renew it`);
  if (leaf.validFromDate.getTime() > now)
    return wrong(`certificate ${certFile} is not valid before ${leaf.validFromDate.toISOString()}; check the clock`);
  if (ends - now < SOON_MS) return warning(`certificate ${certFile} expires on ${end}; renew it`);
  return ok(`certificate ${certFile} goes with its key and is valid until ${end}`);
}
