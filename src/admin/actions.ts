import * as v from 'valibot';
import type { Logger } from '../lib/logger.ts';
import { DependencyError } from '../ports/errors.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import { ipOf } from '../sip/ip.ts';
import { audit, type Operator } from './audit.ts';
import { drainObjection, kubernetesHint } from './drain-objection.ts';
import {
  ACTIONS,
  type ActionName,
  type BanRow,
  type FeatureServerRow,
  type Params,
  type Result,
  type Status,
} from './protocol.ts';
import { SettingError, type Settings } from './settings.ts';

export interface AdminRules {
  readonly pool: ServerPool;
  /** A feature server whose last check-in is older is not undrained, ms. */
  readonly silentMs: number;
  readonly settings: Settings;
  readonly outbound: OutboundView;
  readonly bans: BansView;
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

/** The action is not carried out; the message is for the operator. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

type Handler<A extends ActionName> = (rules: AdminRules, params: Params<A>) => Result<A> | Promise<Result<A>>;

const HANDLERS: { readonly [A in ActionName]: Handler<A> } = {
  'fs-drain': async ({ pool }, params) => {
    const server = parseServer(params.server);
    const objection = params.force === false ? await drainObjection(pool, server) : undefined;
    if (objection !== undefined) throw new Refused(objection);
    return { action: 'drain', server, drained: await pool.drain(server), ...(await kubernetesHint(pool)) };
  },
  'fs-undrain': async ({ pool, silentMs }, params) => {
    const server = parseServer(params.server);
    return { action: 'undrain', server, drained: await pool.undrain(server, silentMs) };
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
  reload: (rules) => ({ message: rules.reload() }),
  status: (rules) => rules.status(),
  config: (rules) => rules.config(),
};

/**
 * Carries out one request, which may be any JSON value. What changes something is logged, with the operator.
 * @returns the answer: a refusal when the request is not valid, or cannot be carried out now
 */
export async function perform(rules: AdminRules, request: unknown, operator: Operator = {}): Promise<object> {
  const asked = typeof request === 'object' && request !== null ? request : {};
  const action = actionOf(asked);
  if (action === undefined) return refusal('Unknown action');
  let answer = refusal('internal error');
  try {
    answer = await answerTo(action, rules, asked);
    return answer;
  } finally {
    audit(rules.audit, action, asked, answer, operator);
  }
}

async function answerTo(action: ActionName, rules: AdminRules, request: object): Promise<object> {
  try {
    return { success: true, ...(await handle(action, rules, request)) };
  } catch (error) {
    if (error instanceof Refused || error instanceof SettingError || error instanceof DependencyError)
      return refusal(error.message);
    throw error;
  }
}

function refusal(error: string): object {
  return { success: false, error };
}

async function handle<A extends ActionName>(action: A, rules: AdminRules, request: unknown): Promise<Result<A>> {
  const params = v.safeParse(ACTIONS[action].params, request, { abortEarly: true });
  if (!params.success) throw new Refused(params.issues[0].message);
  return HANDLERS[action](rules, params.output);
}

function actionOf(request: object): ActionName | undefined {
  const action: unknown = Reflect.get(request, 'action');
  return typeof action === 'string' && isActionName(action) ? action : undefined;
}

function isActionName(name: string): name is ActionName {
  return Object.hasOwn(ACTIONS, name);
}

function parseServer(server: string): string {
  const ip = ipOf(server);
  if (ip === undefined) throw new Refused(`Invalid IP address: ${server}`);
  return ip;
}

function orphanRow(ip: string): FeatureServerRow {
  return { server: ip, status: 'orphaned', calls: null, lastCheckIn: null, serviceUrl: null };
}
