import { defined } from '../lib/defined.ts';
import { LineLimit } from '../lib/line-limit.ts';
import type { Logger } from '../lib/logger.ts';
import type { Timers } from '../lib/timers.ts';
import type { BindingEvent, Events } from '../ports/events.ts';
import type { Binding, Updated } from '../ports/location.ts';
import type { Metrics, RegisterResult } from '../ports/metrics.ts';
import type { SipAnswer } from '../ports/sip-server.ts';
import { aorName } from '../sip/aor.ts';
import { isSameBinding } from '../sip/binding-identity.ts';
import { joinHostPort } from '../sip/ip.ts';
import type { SipRequest } from '../sip/message.ts';
import { bindingEvent } from './binding-event.ts';
import { type RegisterRequest, userAgentOf } from './register-request.ts';
import { Refusal } from './reject.ts';

/** A REGISTER that is answered 200. */
export interface Granted {
  readonly answer: SipAnswer;
  /** What the store did; absent when the REGISTER was granted without authentication, because it changes nothing. */
  readonly updated?: Updated;
}

/** How a REGISTER was answered. */
interface Decision {
  readonly request: SipRequest;
  /** Undefined when the request cannot be read. */
  readonly parsed: RegisterRequest | undefined;
  readonly outcome: Granted | Refusal;
  /** Status of the response. */
  readonly status: number;
  /** Milliseconds from the request to its response. */
  readonly ms: number;
}

export interface ReporterOptions {
  readonly events: Events;
  readonly metrics: Metrics;
  readonly timers: Timers;
  readonly logger: Logger;
}

/** Refusals of one reason that are logged in a second. */
const MAX_LINES = 50;

/** Tells the log, the metrics and the followers of events how each REGISTER was answered. */
export class Reporter {
  readonly #lines: LineLimit;

  constructor(private readonly options: ReporterOptions) {
    this.#lines = new LineLimit(MAX_LINES, options.timers, (reason, further) =>
      options.logger.info({ reason, further }, 'more REGISTERs refused'),
    );
  }

  report(decision: Decision): void {
    const { parsed, outcome, status, ms } = decision;
    const { events, metrics } = this.options;
    const result = resultOf(parsed, outcome);
    if (outcome instanceof Refusal) {
      metrics.registerAnswered({ result, reason: outcome.reason, status, isCached: false, ms });
      this.#logRefusal(decision, outcome, result);
      if (result === 'refused') events.emit({ type: 'refused', ...refusalFields(decision, outcome), status });
    } else {
      metrics.registerAnswered({ result, reason: '', status, isCached: outcome.updated === undefined, ms });
      this.#logGrant(decision, outcome, result);
      if (parsed && outcome.updated) for (const event of bindingEvents(parsed, outcome.updated)) events.emit(event);
    }
  }

  #logRefusal(decision: Decision, refusal: Refusal, result: RegisterResult): void {
    const { logger } = this.options;
    if (refusal.level !== 'debug' && !this.#lines.allows(refusal.reason)) return;
    const { parsed, ms } = decision;
    const contact = parsed && contactOf(parsed);
    const fields = { ...refusalFields(decision, refusal), contact, result, ms: tenths(ms) };
    logger[refusal.level](fields, `REGISTER ${result}`);
  }

  #logGrant({ request, parsed, ms }: Decision, { answer, updated }: Granted, result: RegisterResult): void {
    if (!parsed) return;
    const changes = updated !== undefined && (updated.ended.length > 0 || result === 'registered');
    this.options.logger[changes ? 'info' : 'debug'](
      {
        aor: aorName(parsed.aor),
        result,
        contact: contactOf(parsed),
        source: joinHostPort(request.source.address, request.source.port),
        transport: parsed.protocol,
        userAgent: parsed.userAgent,
        callId: parsed.callId,
        expires: Number(answer.headers?.Expires ?? 0),
        ms: tenths(ms),
      },
      `REGISTER ${result}`,
    );
  }
}

function resultOf(parsed: RegisterRequest | undefined, outcome: Granted | Refusal): RegisterResult {
  if (outcome instanceof Refusal) return outcome.reason === 'Challenge' ? 'challenged' : 'refused';
  if (!parsed || parsed.operation.kind === 'fetch') return 'queried';
  if (parsed.operation.kind === 'remove-all' || parsed.operation.add.length === 0) return 'unregistered';
  const source = parsed.proxy;
  return outcome.updated?.renewed.some((previous) => previous !== source) ? 'registered' : 'refreshed';
}

/** The first of several. */
function contactOf({ operation }: RegisterRequest): string | undefined {
  if (operation.kind === 'remove-all') return '*';
  return operation.kind === 'update' ? [...operation.add, ...operation.remove][0]?.contact : undefined;
}

function refusalFields({ request, parsed }: Decision, { reason, detail }: Refusal) {
  const { source, callId } = request;
  return defined({
    aor: parsed && aorName(parsed.aor),
    reason,
    detail,
    source: joinHostPort(source.address, source.port),
    transport: parsed?.protocol ?? source.transport,
    userAgent: parsed?.userAgent ?? userAgentOf(request),
    callId,
  });
}

/** Renewing a binding from where it was is no event. */
function bindingEvents(
  { aor, proxy, operation }: RegisterRequest,
  { bindings, renewed, ended }: Updated,
): BindingEvent[] {
  const presence = bindings.length > 0 ? 'online' : 'offline';
  const [added, removed] = operation.kind === 'update' ? [operation.add, operation.remove] : [[], undefined];
  const isRemoved = (binding: Binding) => removed?.some((contact) => isSameBinding(contact, binding)) ?? true;
  const events = ended.map((binding) =>
    bindingEvent('unregistered', aor, binding, presence, isRemoved(binding) ? 'phone' : 'replaced'),
  );
  for (const [i, previous] of renewed.entries()) {
    const binding = bindings.find(({ key }) => key === added[i]?.key);
    if (!binding || previous === proxy) continue;
    events.push(bindingEvent(previous === undefined ? 'registered' : 'refreshed-elsewhere', aor, binding, presence));
  }
  return events;
}

function tenths(ms: number): number {
  return Math.round(ms * 10) / 10;
}
