import { LRUCache } from 'lru-cache';
import pLimit, { type LimitFunction } from 'p-limit';
import type { Credentials } from '../digest/credentials.ts';
import type { Clock } from '../lib/timers.ts';
import type { Alert, Alerts } from '../ports/alerts.ts';
import type { Account, Webhook } from '../ports/directory.ts';
import type { Grant } from '../ports/location.ts';
import type { SipRequest } from '../ports/sip-server.ts';
import { type CallResult, callWebhook, type WebhookCall } from './call.ts';
import { grantOf, parseReply, passedOnHeaders } from './reply.ts';
import { signature } from './signature.ts';

export interface WebhookOptions {
  /** Milliseconds for a whole call, waiting for its turn included. */
  readonly timeoutMs: number;
  /** Calls at a time, for each account: a slow customer takes no one else's turn. */
  readonly concurrency: number;
  readonly userAgent?: string;
  readonly alerts: Alerts;
  readonly clock: Clock;
}

/** Accounts whose calls are counted; beyond it the ones idle longest are forgotten, which only loosens their limit. */
const MAX_ACCOUNTS = 10_000;
/** Calls of one account that may wait for each one that may run. More would time out before their turn. */
const WAITING_PER_RUNNING = 10;

/** What the customer's web server says. */
export type Verdict =
  /** `maxExpires` in seconds. */
  | { readonly kind: 'granted'; readonly grant: Grant; readonly maxExpires?: number }
  /** `spammer`: the customer wants the source to be known for one. Headers are fit to go into the answer. */
  | {
      readonly kind: 'denied';
      readonly spammer: boolean;
      readonly headers: Record<string, string>;
      readonly why: string;
    }
  /** A status of 4xx. */
  | { readonly kind: 'refused'; readonly why: string }
  /** No answer, or one that says neither yes nor no. */
  | { readonly kind: 'failed'; readonly why: string };

/** Asks a customer's web server who may register: the registration webhook. */
export class WebhookAuthenticator {
  readonly #turns = new LRUCache<string, LimitFunction>({ max: MAX_ACCOUNTS });

  constructor(private readonly options: WebhookOptions) {}

  /** Never throws: every bad answer is a verdict. Bad ones raise an alert. @param expires as asked for, seconds */
  async authenticate(
    webhook: Webhook,
    account: Account,
    request: SipRequest,
    credentials: Credentials,
    expires: number,
  ): Promise<Verdict> {
    const call = this.#call(webhook, request, credentials, expires);
    const result: CallResult = call
      ? await this.#inTurn(account.sid, (signal) => callWebhook(call, signal))
      : { kind: 'unreachable', why: 'its URL is not an HTTP URL' };
    if (result.kind === 'unreachable') {
      this.#alert(account, 'webhook-connection-failure', `failed to connect to ${webhook.url}`);
      return { kind: 'failed', why: result.why };
    }
    const { status, body } = result;
    const reply = status === 200 && body !== undefined ? parseReply(body) : undefined;
    if (!reply) {
      const why = `${status}${status === 200 ? ' with an invalid body' : ''}`;
      this.#alert(account, 'webhook-failure', `${webhook.url} returned ${why}`);
      return { kind: status >= 400 && status < 500 ? 'refused' : 'failed', why };
    }
    if (reply.status.toLowerCase() === 'ok')
      return { kind: 'granted', grant: grantOf(reply), ...(reply.expires && { maxExpires: reply.expires }) };
    return {
      kind: 'denied',
      spammer: reply.blacklist === true,
      headers: passedOnHeaders(reply),
      why: reply.msg ?? 'denied by the webhook',
    };
  }

  async #inTurn(sid: string, call: (signal: AbortSignal) => Promise<CallResult>): Promise<CallResult> {
    const { concurrency, timeoutMs } = this.options;
    const turn = this.#turns.get(sid) ?? pLimit(concurrency);
    this.#turns.set(sid, turn);
    if (turn.pendingCount >= concurrency * WAITING_PER_RUNNING)
      return { kind: 'unreachable', why: 'too many calls wait for this webhook' };
    const signal = AbortSignal.timeout(timeoutMs);
    return turn(() => call(signal));
  }

  #call(webhook: Webhook, request: SipRequest, credentials: Credentials, expires: number): WebhookCall | undefined {
    const url = URL.parse(webhook.url);
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') return undefined;
    const post = webhook.method === 'POST';
    const fields = {
      source_address: request.source.address,
      source_port: request.source.port,
      method: request.method,
      ...(post && { headers: headersForWebhook(request) }),
      expires,
      scheme: 'digest',
      username: credentials.username,
      realm: credentials.realm,
      nonce: credentials.nonce,
      uri: credentials.uri,
      response: credentials.response,
      ...(credentials.qop && { qop: 'auth', nc: credentials.qop.nc, cnonce: credentials.qop.cnonce }),
      ...(credentials.opaque !== undefined && { opaque: credentials.opaque }),
      algorithm: credentials.algorithm ?? 'MD5',
    };
    if (!post) for (const [name, value] of Object.entries(fields)) url.searchParams.append(name, String(value));
    // The signature of a GET covers the JSON text "null": a customer's check that works today must go on working.
    const body = JSON.stringify(post ? fields : 'null');
    const { username, password, secret } = webhook;
    return {
      url,
      method: webhook.method,
      headers: {
        'Content-Type': 'application/json',
        ...(username &&
          password && { Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }),
        ...(secret && { 'Jambonz-Signature': signature(secret, body, this.options.clock) }),
        ...(this.options.userAgent !== undefined && { 'User-Agent': this.options.userAgent }),
      },
      ...(post && { body }),
    };
  }

  #alert({ sid, serviceProviderSid }: Account, type: NonNullable<Alert['type']>, message: string): void {
    this.options.alerts.raise({
      type,
      accountSid: sid,
      ...(serviceProviderSid !== undefined && { serviceProviderSid }),
      message,
    });
  }
}

/** Spelled as customers have always had them: in lower case but for extension headers; lists joined by commas. */
function headersForWebhook({ headers }: SipRequest): Record<string, string> {
  const all: Record<string, string> = {};
  for (const { name, value } of headers) {
    const spelled = /^(X-|P-(?!Asserted)|Diversion$)/.test(name) ? name : name.toLowerCase();
    all[spelled] = spelled in all ? `${all[spelled]},${value}` : value;
  }
  return all;
}
