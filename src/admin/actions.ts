import * as v from 'valibot';
import { DependencyError } from '../ports/errors.ts';
import type { Events } from '../ports/events.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import { ipOf } from '../sip/ip.ts';
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
  readonly events: Events;
  readonly now: () => number;
  status(): Promise<Status>;
  /** Reads the provisioning file again and empties caches. @returns a message for the operator @throws Refused */
  reload(): string;
}

/** Registrations at carriers and gateway pings. The methods throw {@link Refused} when there is no such trunk. */
export interface OutboundView {
  trunks(): Promise<Result<'trunk-list'>>;
  trunk(gateway: string): Promise<Result<'trunk-show'>>;
  /** @returns a message for the operator */
  refresh(gateway?: string): Promise<string>;
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
  'fs-drain': async ({ pool, events }, params) => {
    const server = parseServer(params.server);
    const drained = await pool.drain(server);
    events.emit({ type: 'drained', server });
    return { action: 'drain', server, drained };
  },
  'fs-undrain': async ({ pool, events, silentMs }, params) => {
    const server = parseServer(params.server);
    const drained = await pool.undrain(server, silentMs);
    events.emit({ type: 'undrained', server });
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
    return { servers: [...rows, ...orphans], drained, now: now() };
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
};

/**
 * Carries out one request, which may be any JSON value.
 * @returns the answer: a refusal when the request is not valid, or cannot be carried out now
 */
export async function perform(rules: AdminRules, request: unknown): Promise<object> {
  try {
    const action = actionOf(request);
    if (action === undefined) throw new Refused('Unknown action');
    return { success: true, ...(await handle(action, rules, request)) };
  } catch (error) {
    if (error instanceof Refused || error instanceof SettingError || error instanceof DependencyError)
      return { success: false, error: error.message };
    throw error;
  }
}

async function handle<A extends ActionName>(action: A, rules: AdminRules, request: unknown): Promise<Result<A>> {
  const params = v.safeParse(ACTIONS[action].params, request, { abortEarly: true });
  if (!params.success) throw new Refused(params.issues[0].message);
  return HANDLERS[action](rules, params.output);
}

function actionOf(request: unknown): ActionName | undefined {
  if (typeof request !== 'object' || request === null || !('action' in request)) return undefined;
  const { action } = request;
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
