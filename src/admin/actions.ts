import { Unavailable } from '../ports/errors.ts';
import type { ServerPool } from '../ports/server-pool.ts';
import { ipOf } from '../sip/ip.ts';
import type { ActionName, Actions, FeatureServerRow, Request, Status } from './protocol.ts';
import { SettingError, type Settings } from './settings.ts';

/** What an operator may look at and change. */
export interface AdminRules {
  readonly pool: ServerPool;
  /** A feature server that was silent for longer is not brought back, milliseconds. */
  readonly silentMs: number;
  readonly settings: Settings;
  readonly outbound: OutboundView;
  readonly now: () => number;
  status(): Promise<Status>;
  /** Reads files and forgets caches again. @returns what it did @throws Refused */
  reload(): string;
}

/** What is registered and pinged outwards. Each throws {@link Refused} for what there is not. */
export interface OutboundView {
  trunks(): Promise<Actions['trunk-list']['answered']>;
  trunk(gateway: string): Promise<Actions['trunk-show']['answered']>;
  /** @returns what was done, for a person */
  refresh(gateway?: string): Promise<string>;
  gateways(): Promise<Actions['gateway-list']['answered']>;
}

/** An action that is not carried out; the message is for the operator. */
export class Refused extends Error {
  override readonly name = 'Refused';
}

type Handler<A extends ActionName> = (
  rules: AdminRules,
  request: Request<A>,
) => Actions[A]['answered'] | Promise<Actions[A]['answered']>;

/** Every action, and what it does. */
const HANDLERS: { readonly [A in ActionName]: Handler<A> } = {
  'fs-drain': async ({ pool }, { server }) => {
    const ip = serverIp(server);
    return { action: 'drain', server: ip, drained: await pool.drain(ip) };
  },
  'fs-undrain': async ({ pool, silentMs }, { server }) => {
    const ip = serverIp(server);
    return { action: 'undrain', server: ip, drained: await pool.undrain(ip, silentMs) };
  },
  'fs-drained': async ({ pool }) => ({ drained: (await pool.featureServers()).drained }),
  'fs-available': async ({ pool }) => {
    const { servers } = await pool.featureServers();
    return { available: servers.filter((s) => s.active).map((s) => s.member) };
  },
  'fs-list': async ({ pool, now }) => {
    const { servers, drained } = await pool.featureServers();
    const heardOf = new Set(servers.map((s) => s.ip));
    const rows = servers.map(
      (s): FeatureServerRow => ({
        server: s.member,
        status: s.active ? 'active' : 'drained',
        calls: s.calls ?? null,
        lastCheckIn: s.lastCheckIn ?? null,
        serviceUrl: s.serviceUrl ?? null,
      }),
    );
    const orphans = drained
      .filter((ip) => !heardOf.has(ip))
      .map((ip): FeatureServerRow => ({ server: ip, status: 'orphaned', ...NOTHING_HEARD }));
    return { servers: [...rows, ...orphans], drained, now: now() };
  },
  set: ({ settings }, { key, value }) => ({ key: text(key, 'key'), value, effect: settings.set(key, given(value)) }),
  get: ({ settings }, { key }) => ({ key: text(key, 'key'), value: settings.get(key) }),
  list: ({ settings }) => ({ config: settings.all() }),
  add: ({ settings }, { key, item }) => ({ key: text(key, 'key'), item, ...settings.add(key, given(item)) }),
  remove: ({ settings }, { key, item }) => ({ key: text(key, 'key'), item, ...settings.remove(key, given(item)) }),
  'trunk-list': ({ outbound }) => outbound.trunks(),
  'trunk-show': ({ outbound }, { gateway }) => outbound.trunk(text(gateway, 'gateway')),
  'trunk-refresh': async ({ outbound }, { gateway }) => ({
    refreshed: await outbound.refresh(gateway === undefined ? undefined : text(gateway, 'gateway')),
  }),
  'gateway-list': ({ outbound }) => outbound.gateways(),
  reload: (rules) => ({ message: rules.reload() }),
  status: (rules) => rules.status(),
};

const NOTHING_HEARD = { calls: null, lastCheckIn: null, serviceUrl: null };
const MAX_KEY_LENGTH = 256;

/**
 * Carries out one request, whatever it may be.
 * @returns the answer to send; a refusal when the request makes no sense or cannot be carried out now
 * @throws what nobody foresaw
 */
export async function perform(rules: AdminRules, request: unknown): Promise<object> {
  try {
    if (!isRequest(request)) throw new Refused('Unknown action');
    return { success: true, ...(await handlerOf(request.action)(rules, request)) };
  } catch (error) {
    if (error instanceof Refused || error instanceof SettingError || error instanceof Unavailable)
      return { success: false, error: error.message };
    throw error;
  }
}

/** Each handler checks the fields of its own request. */
function handlerOf(action: ActionName): (rules: AdminRules, request: Request) => object | Promise<object> {
  return HANDLERS[action] as (rules: AdminRules, request: Request) => object | Promise<object>;
}

function isRequest(value: unknown): value is Request {
  return (
    typeof value === 'object' &&
    value !== null &&
    'action' in value &&
    typeof value.action === 'string' &&
    Object.hasOwn(HANDLERS, value.action)
  );
}

function serverIp(server: unknown): string {
  const ip = typeof server === 'string' ? ipOf(server) : undefined;
  if (ip === undefined) throw new Refused(`Invalid IP address: ${typeof server === 'string' ? server : ''}`);
  return ip;
}

function text(value: unknown, name: string): string {
  if (typeof value !== 'string' || value === '') throw new Refused(`${name} expected`);
  if (value.length > MAX_KEY_LENGTH) throw new Refused(`${name} is longer than ${MAX_KEY_LENGTH} characters`);
  return value;
}

function given(value: unknown): unknown {
  if (value === undefined) throw new Refused('value expected');
  return value;
}
