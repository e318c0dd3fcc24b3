import * as v from 'valibot';
import type { Logger } from '../lib/logger.ts';
import { DependencyError } from '../ports/errors.ts';
import type { Events } from '../ports/events.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import { ipOf } from '../sip/ip.ts';
import { audit, type Operator } from './audit.ts';
import type { Answer } from './client-connection.ts';
import { drainObjection, kubernetesHint } from './drain-objection.ts';
import {
  ACTIONS,
  type ActionName,
  type BanRow,
  type FeatureServerRow,
  type Params,
  type Result,
  STREAMS,
  type Status,
  type StreamName,
  type StreamParams,
  type StreamPart,
} from './protocol.ts';
import { SettingError, type Settings } from './settings.ts';

export interface AdminRules {
  readonly pool: ServerPool;
  /** A feature server whose last check-in is older is not undrained, ms. */
  readonly silentMs: number;
  readonly settings: Settings;
  readonly outbound: OutboundView;
  readonly bans: BansView;
  readonly bus: Events;
  readonly registrations: RegistrationsView;
  readonly events: EventsView;
  readonly now: () => number;
  status(): Promise<Status>;
  /** Reads the provisioning file again and empties caches. @returns a message for the operator @throws Refused */
  reload(): string;
  config(): Result<'config'>;
  /** Takes the acts of operators, at info. */
  readonly audit: Logger;
}

/** Registrations at carriers and gateway pings. The methods throw {@link Refused} when there is no such trunk. */
export interface OutboundView {
  trunks(): Promise<Result<'trunk-list'>>;
  /** @param name SID of a gateway, its beginning, or the name of a carrier */
  trunk(name: string): Promise<Result<'trunk-show'>>;
  /** @param name as in {@link trunk}; without one all carriers are read again @returns a message for the operator */
  refresh(name?: string): Promise<string>;
  gateways(): Promise<Result<'gateway-list'>>;
}

/** Sources that are banned. */
export interface BansView {
  bans(): readonly BanRow[];
  /** Lifts the ban of an address, or all. @returns the sources that were banned @throws DependencyError */
  clear(address?: string): Promise<readonly string[]>;
}

/** Bindings of phones. */
export interface RegistrationsView {
  /** Parts with at most some hundred AORs, until `signal` is aborted. @throws Refused, DependencyError */
  list(filter: StreamParams<'reg-list'>, signal: AbortSignal): AsyncIterable<StreamPart<'reg-list'>>;
  /** @throws Refused when the text names no AOR @throws DependencyError */
  show(aor: string): Promise<Result<'reg-show'>>;
  /** Removes one binding, or all. @throws Refused when there is none @throws DependencyError */
  remove(aor: string, contact?: string): Promise<Result<'reg-remove'>>;
}

export interface EventsView {
  /** Events from now on, until `signal` is aborted. @throws Refused when there is no event of a type */
  follow(filter: StreamParams<'events'>, signal: AbortSignal): AsyncIterable<StreamPart<'events'>>;
}

/** The action is not carried out; the message is for the operator. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

type Handler<A extends ActionName> = (rules: AdminRules, params: Params<A>) => Result<A> | Promise<Result<A>>;

const HANDLERS: { readonly [A in ActionName]: Handler<A> } = {
  'fs-drain': async ({ pool, bus }, params) => {
    const server = parseServer(params.server);
    const objection = params.force === false ? await drainObjection(pool, server) : undefined;
    if (objection !== undefined) throw new Refused(objection);
    const drained = await pool.drain(server);
    bus.emit({ type: 'drained', server });
    return { action: 'drain', server, drained, ...(await kubernetesHint(pool)) };
  },
  'fs-undrain': async ({ pool, bus, silentMs }, params) => {
    const server = parseServer(params.server);
    const drained = await pool.undrain(server, silentMs);
    bus.emit({ type: 'undrained', server });
    return { action: 'undrain', server, drained };
  },
  'fs-drained': async ({ pool }) => ({ drained: (await pool.featureServers()).drained }),
  'fs-available': async ({ pool }) => {
    const { servers } = await pool.featureServers();
    return { available: servers.filter((s) => s.active).map((s) => s.member) };
  },
  'fs-list': async ({ pool, now }) => {
    const { servers, drained } = await pool.featureServers();
    const checkedIn = new Set(servers.map((s) => s.ip));
    const rows = servers.map(
      (s): FeatureServerRow => ({
        server: s.member,
        status: s.active ? 'active' : 'drained',
        calls: s.calls ?? null,
        lastCheckIn: s.lastCheckIn ?? null,
        serviceUrl: s.serviceUrl ?? null,
      }),
    );
    const orphans = drained.filter((ip) => !checkedIn.has(ip)).map(orphanRow);
    const hint = rows.length === 0 ? await kubernetesHint(pool) : {};
    return { servers: [...rows, ...orphans], drained, now: now(), ...hint };
  },
  set: ({ settings }, { key, value }) => ({ key, value, effect: settings.set(key, value) }),
  get: ({ settings }, { key }) => ({ key, value: settings.get(key) }),
  list: ({ settings }) => ({ config: settings.all() }),
  add: ({ settings }, { key, item }) => ({ key, item, ...settings.add(key, item) }),
  remove: ({ settings }, { key, item }) => ({ key, item, ...settings.remove(key, item) }),
  'trunk-list': ({ outbound }) => outbound.trunks(),
  'trunk-show': ({ outbound }, { gateway }) => outbound.trunk(gateway),
  'trunk-refresh': async ({ outbound }, { gateway }) => ({ refreshed: await outbound.refresh(gateway) }),
  'gateway-list': ({ outbound }) => outbound.gateways(),
  'ban-list': ({ bans, now }) => ({ bans: bans.bans(), now: now() }),
  'ban-clear': async ({ bans }, { ip }) => ({
    lifted: await bans.clear(ip === undefined ? undefined : parseServer(ip.replace(/\/64$/, ''))),
  }),
  'reg-show': ({ registrations }, { aor }) => registrations.show(aor),
  'reg-remove': ({ registrations }, { aor, contact }) => registrations.remove(aor, contact),
  reload: (rules) => ({ message: rules.reload() }),
  status: (rules) => rules.status(),
  config: (rules) => rules.config(),
};

type Source<A extends StreamName> = (
  rules: AdminRules,
  params: StreamParams<A>,
  signal: AbortSignal,
) => AsyncIterable<StreamPart<A>>;

const SOURCES: { readonly [A in StreamName]: Source<A> } = {
  'reg-list': ({ registrations }, filter, signal) => registrations.list(filter, signal),
  events: ({ events }, filter, signal) => events.follow(filter, signal),
};

/**
 * Carries out one request, which may be any JSON value. What changes something is logged, with the operator.
 * @param signal is aborted when the client has gone
 * @returns the answer, or the lines of a stream; a refusal when the request is not valid, or cannot be carried out now
 */
export async function perform(
  rules: AdminRules,
  request: unknown,
  signal: AbortSignal,
  operator: Operator = {},
): Promise<Answer> {
  try {
    const name = nameOf(request);
    if (isStreamName(name)) return lines(stream(name, rules, request, signal));
    if (!isActionName(name)) throw new Refused('Unknown action');
    return await audited(name, rules, request, operator);
  } catch (error) {
    return refusal(error);
  }
}

async function audited(name: ActionName, rules: AdminRules, request: unknown, operator: Operator): Promise<object> {
  let answer: object = { success: false, error: 'internal error' };
  try {
    answer = { success: true, ...(await handle(name, rules, request)) };
  } catch (error) {
    answer = refusal(error);
  } finally {
    audit(rules.audit, name, request, answer, operator);
  }
  return answer;
}

async function* lines(parts: AsyncIterable<object>): AsyncGenerator<object> {
  try {
    for await (const part of parts) yield { success: true, more: true, ...part };
    yield { success: true, more: false };
  } catch (error) {
    yield refusal(error);
  }
}

/** @throws the error unless it is one for the operator */
function refusal(error: unknown): object {
  if (error instanceof Refused || error instanceof SettingError || error instanceof DependencyError)
    return { success: false, error: error.message };
  throw error;
}

async function handle<A extends ActionName>(action: A, rules: AdminRules, request: unknown): Promise<Result<A>> {
  return HANDLERS[action](rules, parse(ACTIONS[action].params, request));
}

function stream<A extends StreamName>(name: A, rules: AdminRules, request: unknown, signal: AbortSignal) {
  return SOURCES[name](rules, parse(STREAMS[name].params, request), signal);
}

/** @throws Refused */
function parse<S extends v.GenericSchema>(schema: S, request: unknown): v.InferOutput<S> {
  const params = v.safeParse(schema, request, { abortEarly: true });
  if (!params.success) throw new Refused(params.issues[0].message);
  return params.output;
}

function nameOf(request: unknown): string {
  if (typeof request !== 'object' || request === null || !('action' in request)) return '';
  return typeof request.action === 'string' ? request.action : '';
}

function isActionName(name: string): name is ActionName {
  return Object.hasOwn(ACTIONS, name);
}

function isStreamName(name: string): name is StreamName {
  return Object.hasOwn(STREAMS, name);
}

function parseServer(server: string): string {
  const ip = ipOf(server);
  if (ip === undefined) throw new Refused(`Invalid IP address: ${server}`);
  return ip;
}

function orphanRow(ip: string): FeatureServerRow {
  return { server: ip, status: 'orphaned', calls: null, lastCheckIn: null, serviceUrl: null };
}
