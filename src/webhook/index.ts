import type { Credentials } from '../digest/credentials.ts';
import { defined } from '../lib/defined.ts';
import { loggableUrl } from '../lib/loggable-url.ts';
import type { Logger } from '../lib/logger.ts';
import { LruCache } from '../lib/lru-cache.ts';
import type { Timers } from '../lib/timers.ts';
import type { Alert, Alerts } from '../ports/alerts.ts';
import type { Account, Webhook } from '../ports/directory.ts';
import type { Grant } from '../ports/location.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { SipRequest } from '../sip/message.ts';
import { AccountCalls, type CallBounds, type NotCalled } from './account-calls.ts';
import type { CallResult, WebhookCall } from './call.ts';
import { grantOf, parseReply, passedOnHeaders } from './reply.ts';
import { signature } from './signature.ts';

export interface WebhookOptions extends CallBounds {
  readonly userAgent?: string;
  readonly alerts: Alerts;
  readonly metrics: Metrics;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** Accounts whose calls are bounded; beyond this the least recently used one starts again with nothing known of it. */
const MAX_ACCOUNTS = 10_000;

export type Verdict =
  /** `maxExpires` in seconds. */
  | { readonly kind: 'granted'; readonly grant: Grant; readonly maxExpires?: number }
  /** `spammer`: the customer reports the source as a spammer. `headers` are safe to put into the 403. */
  | {
      readonly kind: 'denied';
      readonly spammer: boolean;
      readonly headers: Record<string, string>;
      readonly why: string;
    }
  | { readonly kind: 'refused'; readonly why: string }
  | { readonly kind: 'failed'; readonly why: string };

/** What the webhook decides about. */
export interface Asked {
  readonly credentials: Credentials;
  /** Requested, seconds. */
  readonly expires: number;
  /** `user@realm`; present when it may name another user than the credentials. */
  readonly aor?: string;
}

/** Authenticates users with the registration webhook of a customer's web server. */
export class WebhookAuthenticator {
  readonly #calls = new LruCache<AccountCalls>(MAX_ACCOUNTS);

  constructor(private readonly options: WebhookOptions) {}

  /** Never throws: a failure is a verdict too, and raises an alert. */
  async authenticate(webhook: Webhook, account: Account, request: SipRequest, asked: Asked): Promise<Verdict> {
    const { timers, metrics } = this.options;
    const startedAt = timers.monotonic();
    const call = this.#call(webhook, request, asked);
    const result: CallResult | NotCalled = call
      ? await this.#callsOf(account).call(call, request.source.address)
      : { kind: 'unreachable', why: 'its URL is not an HTTP URL' };
    if (result.kind === 'not called') return { kind: 'failed', why: result.why };
    const verdict = this.#verdict(webhook, account, result);
    const status = result.kind === 'unreachable' ? 0 : result.status;
    metrics.webhookAnswered(verdict.kind, status, timers.monotonic() - startedAt);
    return verdict;
  }

  #verdict(webhook: Webhook, account: Account, result: CallResult): Verdict {
    if (result.kind === 'unreachable') {
      const message = `failed to connect to ${loggableUrl(webhook.url)}`;
      this.#alert(account, 'webhook-connection-failure', message, result.why);
      return { kind: 'failed', why: result.why };
    }
    const { status, body } = result;
    const reply = status === 200 && body !== undefined ? parseReply(body) : undefined;
    if (!reply) {
      const why = `${status}${status === 200 ? ' with an invalid body' : ''}`;
      this.#alert(account, 'webhook-failure', `${loggableUrl(webhook.url)} returned ${why}`);
      return { kind: status >= 400 && status < 500 ? 'refused' : 'failed', why };
    }
    if (reply.status.toLowerCase() === 'ok')
      return defined({ kind: 'granted', grant: grantOf(reply), maxExpires: reply.expires || undefined });
    return {
      kind: 'denied',
      spammer: reply.blacklist === true,
      headers: passedOnHeaders(reply),
      why: reply.msg ?? 'denied by the webhook',
    };
  }

  /** The sids of the accounts whose webhook is down. */
  get down(): readonly string[] {
    return [...this.#calls].filter(([, calls]) => calls.isDown).map(([sid]) => sid);
  }

  #callsOf(account: Account): AccountCalls {
    const known = this.#calls.get(account.sid);
    if (known) return known;
    const calls = new AccountCalls(account, this.options, this.options.timers, this.options.logger);
    this.#calls.set(account.sid, calls);
    return calls;
  }

  #call(webhook: Webhook, request: SipRequest, { credentials, expires, aor }: Asked): WebhookCall | undefined {
    const url = URL.parse(webhook.url);
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return undefined;
    const post = webhook.method === 'POST';
    const { qop } = credentials;
    // In the order in which customers have always received them.
    const fields = defined({
      source_address: request.source.address,
      source_port: request.source.port,
      method: request.method,
      headers: post ? headersForWebhook(request) : undefined,
      expires,
      scheme: 'digest',
      username: credentials.username,
      realm: credentials.realm,
      nonce: credentials.nonce,
      uri: credentials.uri,
      response: credentials.response,
      qop: qop ? 'auth' : undefined,
      nc: qop?.nc,
      cnonce: qop?.cnonce,
      opaque: credentials.opaque,
      algorithm: credentials.algorithm ?? 'MD5',
      aor,
    });
    if (!post) for (const [name, value] of Object.entries(fields)) url.searchParams.append(name, String(value));
    // For compatibility, the signature of a GET covers the JSON text `"null"`.
    const body = JSON.stringify(post ? fields : 'null');
    return defined({
      url,
      method: webhook.method,
      headers: this.#headers(webhook, url, body),
      body: post ? body : undefined,
    });
  }

  #headers({ username, password, secret }: Webhook, url: URL, body: string): Record<string, string> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' };
    if (username && password) headers.Authorization = basic(username, password);
    else if (url.username || url.password) headers.Authorization = basic(decoded(url.username), decoded(url.password));
    if (secret) headers['Jambonz-Signature'] = signature(secret, body, this.options.timers);
    if (this.options.userAgent !== undefined) headers['User-Agent'] = this.options.userAgent;
    return headers;
  }

  #alert({ sid, serviceProviderSid }: Account, type: Alert['type'], message: string, detail?: string): void {
    this.options.alerts.raise(defined({ type, accountSid: sid, serviceProviderSid, message, detail }));
  }
}

/** RFC 7617 */
function basic(username: string, password: string): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

/** Userinfo of a URL; as it is when it has percent signs that encode nothing. */
function decoded(userinfo: string): string {
  try {
    return decodeURIComponent(userinfo);
  } catch {
    return userinfo;
  }
}

/** Header names as customers have always received them: in lower case except extension headers. */
function headersForWebhook({ headers }: SipRequest): Record<string, string> {
  // Not an object: a header may be called `constructor` or `__proto__`.
  const all = new Map<string, string>();
  for (const { name, value } of headers) {
    const key = /^(X-|P-(?!Asserted)|Diversion$)/.test(name) ? name : name.toLowerCase();
    const earlier = all.get(key);
    all.set(key, earlier === undefined ? value : `${earlier},${value}`);
  }
  return Object.fromEntries(all);
}
