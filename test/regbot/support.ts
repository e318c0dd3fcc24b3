import type { Alert } from '../../src/ports/alerts.ts';
import type { CarrierDirectory, Carriers, RegisterStatus, Trunk } from '../../src/ports/carriers.ts';
import { Unavailable } from '../../src/ports/errors.ts';
import type { SidecarEvent } from '../../src/ports/events.ts';
import type { NextHops } from '../../src/ports/next-hops.ts';
import type { OutboundRequest, SipClient } from '../../src/ports/sip-server.ts';
import type { TrunkContact } from '../../src/ports/trunk-contacts.ts';
import { Fleet, type FleetOptions, type FleetSettings } from '../../src/regbot/fleet.ts';
import { NO_BODY, type SipResponse } from '../../src/sip/message.ts';
import type { NextHop } from '../../src/sip/next-hop.ts';
import { RecordingLogger } from '../support/logger.ts';
import { authorizationSent, searchForSecrets, secret } from '../support/secrets.ts';
import { ManualTimers } from '../support/timers.ts';

export const TRUNK: Trunk = {
  gatewaySid: 'gw-1',
  carrierSid: 'carrier-1',
  carrierName: 'Acme',
  accountSid: 'account-1',
  host: 'gw.carrier.example',
  transport: 'udp',
  sips: false,
  trunkType: 'auth',
  username: 'user',
  password: secret('the password of a trunk', 'open-the-trunk'),
  realm: 'carrier.example',
  publicIpInContact: false,
  accountRealm: 'acme.sip.example',
};

const SETTINGS: FleetSettings = {
  defaultExpires: 3600,
  minExpires: 30,
  contactUseIp: false,
  userAgent: '',
  failureRetrySeconds: 300,
  failureThreshold: 3,
  removeCodes: [],
  batchSize: 10,
  batchSleepMs: 250,
  refreshSeconds: 60,
};

type Headers = Record<string, string | readonly string[]>;

export function response(status: number, headers: Headers = {}, more: Partial<SipResponse> = {}): SipResponse {
  const reasons: Record<number, string> = { 200: 'OK', 401: 'Unauthorized', 403: 'Forbidden', 408: 'Request Timeout' };
  return {
    kind: 'response',
    status,
    reason: reasons[status] ?? 'Reason',
    local: false,
    headers: Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => ({ name, value }))),
    body: NO_BODY,
    ...more,
  };
}

export function challenge(nonce: string, more = '') {
  return { 'WWW-Authenticate': `Digest realm="carrier.example", nonce="${nonce}", qop="auth"${more}` };
}

interface Sent extends OutboundRequest {
  /** Values of several lines are joined by a line break. */
  readonly headers: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly deadlineMs: number;
}

/** What a request results in. */
type Result = SipResponse | Error | Promise<SipResponse>;

/** A SIP client whose requests get scripted responses, or 200. */
class ScriptedSip implements SipClient {
  readonly sent: Sent[] = [];
  hostports = 'udp/10.0.0.5:5060,tcp/203.0.113.9:5070,udp/203.0.113.7:5060';
  canReach: SipClient['canReach'] = () => true;
  respond: (request: Sent) => Result = () => response(200);

  constructor(private readonly timers: ManualTimers) {}

  /** Uses these results in order, then 200. */
  script(...results: Result[]): void {
    this.respond = () => results.shift() ?? response(200);
  }

  async request(request: OutboundRequest, deadlineMs: number): Promise<SipResponse> {
    const lines = Object.entries(request.headers).map(([name, value]) => [name, [value].flat().join('\n')]);
    const sent = { ...request, headers: Object.fromEntries(lines), at: this.timers.now(), deadlineMs };
    this.sent.push(sent);
    authorizationSent(Object.values(sent.headers).join('\n'));
    const result = await this.respond(sent);
    if (result instanceof Error) throw result;
    return result;
  }

  /** Returns and clears what was sent since the last call. */
  take(): Sent[] {
    return this.sent.splice(0);
  }
}

class MemoryDirectory implements CarrierDirectory {
  carriers: Carriers = { trunks: [], pinged: [] };
  down = false;
  /** Thrown by every method; for what no adapter is meant to throw. */
  fault: Error | undefined;
  reads = 0;
  readonly statuses: [string, RegisterStatus][] = [];
  readonly disabled: [string, Trunk['trunkType']][] = [];

  async read(): Promise<Carriers> {
    this.reads++;
    this.#check();
    return structuredClone(this.carriers);
  }
  async saveRegisterStatus(carrierSid: string, status: RegisterStatus): Promise<void> {
    this.#check();
    searchForSecrets('register_status', [JSON.stringify(status)]);
    this.statuses.push([carrierSid, status]);
  }
  async disableRegistration(carrierSid: string, trunkType: Trunk['trunkType']): Promise<void> {
    this.#check();
    this.disabled.push([carrierSid, trunkType]);
  }
  async disablePing(): Promise<void> {}
  #check(): void {
    if (this.fault) throw this.fault;
    if (this.down) throw new Unavailable('MySQL', 'no connection');
  }
}

/** A fleet whose time, carriers, DNS and stores are in memory. */
export function makeFleet(trunks: readonly Trunk[] = [TRUNK], more: Partial<FleetSettings> = {}, random = () => 0.5) {
  const timers = new ManualTimers();
  const sip = new ScriptedSip(timers);
  const directory = new MemoryDirectory();
  directory.carriers = { trunks, pinged: [], sipDomain: 'sip.example' };
  const logger = new RecordingLogger();
  const alerts: Alert[] = [];
  const events: SidecarEvent[] = [];
  const dns = new Map<string, readonly string[] | Error | Promise<readonly string[] | Error>>();
  const resolved: [string, number | undefined, string][] = [];
  /** `address carrier` → expiry. */
  const ephemeral = new Map<string, number>();
  /** Of earlier leaders too. */
  const contacts = new Map<string, TrunkContact>();
  const state: {
    mayAct: boolean;
    ephemeralDown: boolean;
    ephemeralFault?: Error | undefined;
    contactsDown: boolean;
    /** Calls about contacts wait for it. */
    contactsGate?: Promise<void>;
    /** In place of `dns`. */
    nextHops?: NextHops;
  } = {
    mayAct: true,
    ephemeralDown: false,
    contactsDown: false,
  };
  const checkContacts = async () => {
    await state.contactsGate;
    if (state.contactsDown) throw new Unavailable('Redis', 'no connection');
  };
  const check = () => {
    if (state.ephemeralFault) throw state.ephemeralFault;
    if (state.ephemeralDown) throw new Unavailable('Redis', 'no connection');
  };
  const options: FleetOptions = {
    directory,
    sip,
    nextHops: {
      async resolve(host, port, transport): Promise<readonly NextHop[]> {
        resolved.push([host, port, transport]);
        if (state.nextHops) return state.nextHops.resolve(host, port, transport);
        const addresses = (await dns.get(host)) ?? ['192.0.2.1'];
        if (addresses instanceof Error) throw addresses;
        return addresses.map((address) => ({ address, port: port ?? 5060, transport }));
      },
    },
    ephemeral: {
      async set(ip, carrierSid, expiresAt) {
        check();
        ephemeral.set(`${ip} ${carrierSid}`, expiresAt);
      },
      async remove(ip, carrierSid) {
        check();
        ephemeral.delete(`${ip} ${carrierSid}`);
      },
    },
    contacts: {
      async read() {
        await checkContacts();
        return new Map(contacts);
      },
      async save(gatewaySid, contact) {
        await checkContacts();
        contacts.set(gatewaySid, contact);
      },
      async remove(gatewaySid) {
        await checkContacts();
        contacts.delete(gatewaySid);
      },
    },
    alerts: { raise: (alert) => void alerts.push(alert) },
    events: { emit: (event) => void events.push(event) },
    logger,
    timers,
    random,
    settings: { ...SETTINGS, ...more },
    mayAct: () => state.mayAct,
  };
  const fleet = new Fleet(options);
  /** Replaces the trunks in the directory and has the fleet read them. */
  const change = async (...trunks: readonly Trunk[]) => {
    directory.carriers = { ...directory.carriers, trunks };
    await fleet.refreshNow();
    await timers.advanceAsync(0);
  };
  const view = () => {
    const [first] = fleet.snapshot();
    if (!first) throw new Error('no registration');
    return first;
  };
  /** Gains the lead and sends the first registrations. */
  const lead = async () => {
    fleet.gained();
    await timers.advanceAsync(0);
  };
  return {
    timers,
    sip,
    directory,
    logger,
    alerts,
    events,
    dns,
    resolved,
    ephemeral,
    contacts,
    state,
    fleet,
    change,
    view,
    lead,
  };
}
