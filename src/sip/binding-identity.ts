import { type Param, param } from './params.ts';
import { canonicalUri } from './uri.ts';

/** What tells the bindings of one AOR apart. */
export interface BindingIdentity {
  /** Instance and reg-id (RFC 5626 6), or else {@link uri}. */
  readonly key: string;
  /** The Contact URI in canonical form, see {@link canonicalUri}. */
  readonly uri: string;
}

export function bindingIdentity(contact: string, params: readonly Param[]): BindingIdentity {
  const uri = canonicalUri(contact);
  const instance = param(params, '+sip.instance');
  return { key: instance ? `${instance};${param(params, 'reg-id') ?? ''}` : uri, uri };
}

/**
 * Whether two Contacts of an AOR are one binding: by instance when both have one (RFC 5626 6), else by URI (RFC 3261
 * 10.3). `same` in adapters/redis/scripts.ts is the same rule.
 */
export function isSameBinding(a: BindingIdentity, b: BindingIdentity): boolean {
  return a.key === b.key || ((a.key === a.uri || b.key === b.uri) && a.uri === b.uri);
}
