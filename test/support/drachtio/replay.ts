import { expect } from 'bun:test';
import { portOf } from '../../edge/support.ts';
import { ManualTimers } from '../timers.ts';
import { openPeer, type WirePeer } from '../wire.ts';
import type { DrachtioDouble } from './index.ts';
import { RawApp, startTestDrachtio, textOf } from './raw-app.ts';
import { type Event, readTranscript } from './transcript.ts';

const LISTEN = (['udp', 'tcp', 'ws'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: 0 }));

/** An intended difference from drachtio-server. */
export interface Deviation {
  readonly why: string;
  readonly recorded: RegExp;
  readonly ours: string;
}

/**
 * Plays a transcript against {@link DrachtioDouble}: the app's frames as recorded, and the SIP messages from the network,
 * which are reconstructed from the frames they caused. Every frame from the server is compared. Values that a server
 * chooses (ids, tags, branches, ports) are learnt where they first appear; of times, lengths and versions only the form
 * is checked.
 */
export class Replay implements AsyncDisposable {
  readonly timers = new ManualTimers();
  readonly events: Event[];
  readonly apps = new Map<string, RawApp>();
  readonly peers = new Map<string, WirePeer>();
  /** Recorded text → its equivalent in this run. */
  readonly #learnt = new Map<string, string>();
  #server: DrachtioDouble | undefined;
  #target = '';
  #appText = '';

  private constructor(
    name: string,
    private readonly deviations: readonly Deviation[],
  ) {
    this.events = readTranscript(name);
    expect(this.events.length).toBeGreaterThan(0);
  }

  static async open(name: string, deviations: readonly Deviation[] = []): Promise<Replay> {
    const replay = new Replay(name, deviations);
    replay.#server = await startTestDrachtio({ timers: replay.timers, listen: LISTEN });
    return replay;
  }

  get server(): DrachtioDouble {
    if (!this.#server) throw new Error('stopped');
    return this.#server;
  }

  async restart(): Promise<void> {
    const port = this.server.controlPort;
    await this.server.stop();
    for (const peer of this.peers.values()) peer[Symbol.dispose]();
    this.peers.clear();
    this.#server = await startTestDrachtio({ timers: this.timers, listen: LISTEN, controlPort: port });
  }

  async play(events: readonly Event[] = this.events): Promise<void> {
    for (const event of events) await this.#step(event);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const app of this.apps.values()) app[Symbol.dispose]();
    for (const peer of this.peers.values()) peer[Symbol.dispose]();
    await this.server.stop();
  }

  substitute(recorded: string): string {
    let text = recorded;
    for (const [from, to] of this.#learnt) text = text.replaceAll(from, to);
    return text;
  }

  async #step(event: Event): Promise<void> {
    if (event.kind === 'connect') {
      this.apps.set(event.conn, await RawApp.connect(this.server.controlPort));
      return;
    }
    const app = await this.#app(event.conn);
    if (event.kind === 'to server') await this.#toServer(app, event.payload);
    else if (event.kind === 'to app') await this.#toApp(app, event.payload);
    else if (event.kind === 'invalid') app.socket.write(event.bytes);
    else if (event.kind === 'app closed') app.socket.end();
    else if (event.kind === 'server closed') await app.closed;
  }

  /** An app that connected before the transcript began has authenticated and routed the methods it gets. */
  async #app(conn: string): Promise<RawApp> {
    let app = this.apps.get(conn);
    if (!app) {
      const asks = this.events.some((e) => e.conn === conn && e.kind === 'to server' && e.payload.includes('|route|'));
      app = await RawApp.ready(this.server, ...(asks ? [] : ['register', 'options']));
      this.apps.set(conn, app);
    }
    return app;
  }

  async #toServer(app: RawApp, payload: string): Promise<void> {
    const route = /\|sip\|\|\|sips?:([\d.]+):(\d+);transport=(\w+)\r/.exec(payload);
    if (route) {
      const [, host = '', port = '', protocol = ''] = route;
      this.#target = host;
      await this.#outboundPeer(host, port, protocol);
      this.#appText = textOf(payload);
    }
    app.send(this.substitute(payload));
  }

  async #toApp(app: RawApp, recorded: string): Promise<void> {
    const [, type, source, bytes] = recorded.split('|');
    let sent: string | undefined;
    if (type === 'sip' && source === 'network') {
      if (bytes === '0') {
        if (recorded.includes('408 Request Timeout')) this.timers.advance(32_000);
      } else sent = await this.#fromNetwork(recorded, Number(bytes));
    }

    const actual = await app.next(recorded.slice(0, 60));
    this.#learn(recorded, actual);
    let expected = this.substitute(recorded);
    for (const { recorded: pattern, ours } of this.deviations) expected = expected.replace(pattern, ours);
    expect(mask(actual)).toBe(mask(expected));

    const count = Number(/\|(?:network|application)\|(\d+)\|/.exec(actual)?.[1] ?? Number.NaN);
    if (sent !== undefined) expect(count).toBe(Buffer.byteLength(sent));
    if (/\|OK\|application\|/.test(actual)) {
      expect(count).toBe(Buffer.byteLength(textOf(actual)));
      const told = /\|application\|\d+\|\|([\d.]+)\|/.exec(recorded)?.[1] ?? this.#target;
      const peer = this.peers.get(told);
      if (peer) expect(await peer.next('what the app was told was sent')).toBe(textOf(actual));
    }
  }

  /** Sends the SIP message that caused a recorded frame. */
  async #fromNetwork(recorded: string, bytes: number): Promise<string> {
    const [, , , , protocol = '', host = '', port = ''] = recorded.split('|');
    const text = textOf(recorded);
    // drachtio adds rport; the message had none.
    const original = text.startsWith('SIP/2.0 ') ? text : text.replace(/(;received=[\d.]+)?;rport=\d+/, '');
    expect(Buffer.byteLength(original)).toBe(bytes);
    const peer = await this.inboundPeer(text.includes('\nVia: SIP/2.0/WS ') ? 'ws' : protocol, host, port);
    const sent = this.substitute(original);
    peer.send(sent);
    return sent;
  }

  async inboundPeer(protocol: string, host: string, port: string): Promise<WirePeer> {
    const known = this.peers.get(host);
    if (known) return known;
    const proto = protocol as 'udp' | 'tcp' | 'ws';
    const listening = portOf(this.server.layer, proto);
    const peer = await openPeer(proto, listening, '127.0.0.1', host);
    this.peers.set(host, peer);
    this.#learnPort(host, port, peer.port);
    this.#learnt.set(`rport=${port}`, `rport=${peer.port}`);
    const recordedPort = protocol === 'ws' ? 8080 : 5060;
    this.#learnt.set(`||127.0.0.1|${recordedPort}|`, `||127.0.0.1|${listening}|`);
    return peer;
  }

  async #outboundPeer(host: string, port: string, protocol: string): Promise<void> {
    const listening = protocol === 'tls' ? 0 : portOf(this.server.layer, protocol as 'udp' | 'tcp');
    const via = `SIP/2.0/${protocol.toUpperCase()} 127.0.0.1`;
    this.#learnt.set(`${via};`, `${via}:${listening};`);
    this.#learnt.set('<sip:127.0.0.1:5060', `<sip:127.0.0.1:${listening}`);
    this.#learnt.set('|udp|127.0.0.1|5060|', `|udp|127.0.0.1|${listening}|`);
    if (this.peers.has(host)) return;
    const peer = await openPeer('udp', portOf(this.server.layer, 'udp'), '127.0.0.1', host);
    this.#learnPort(host, port, peer.port);
    // Without traffic from that port in the transcript, nothing listens there.
    const answered = this.events.some((e) => e.kind === 'to app' && e.payload.includes(`|udp|${host}|`));
    const silent = this.events.some((e) => e.kind === 'to app' && e.payload.includes('408 Request Timeout'));
    if (answered || silent) this.peers.set(host, peer);
    else peer[Symbol.dispose]();
  }

  #learnPort(host: string, recorded: string, actual: number): void {
    this.#learnt.set(`${host}:${recorded}`, `${host}:${actual}`);
    this.#learnt.set(`${host}|${recorded}|`, `${host}|${actual}|`);
  }

  #learn(recorded: string, actual: string): void {
    const learn = (pattern: RegExp) => {
      const from = pattern.exec(recorded)?.[1];
      const to = pattern.exec(actual)?.[1];
      if (from !== undefined && to !== undefined && !this.#learnt.has(from)) this.#learnt.set(from, to);
    };
    learn(/\|\d\d:\d\d:\d\d\.\d{6}\|([0-9a-f-]{36})\|/);
    const request = /\|OK\|application\|\d+\|\w/.test(recorded);
    if (/\|OK\|application\|\d+\|\|/.test(recorded) || recorded.includes('|network|0|')) {
      learn(/^To: .*;tag=(\w+)\r$/m);
    } else if (request) {
      learn(/;branch=(z9hG4bK\w+)/);
      if (!/^From: .*;tag=/m.test(this.#appText)) learn(/^From: .*;tag=(\w+)\r$/m);
      if (!/^Call-ID: /m.test(this.#appText)) learn(/^Call-ID: (\S+)\r$/m);
      if (!/^CSeq: /m.test(this.#appText)) learn(/^CSeq: (\d+) /m);
    }
  }
}

/** Masks values that may differ, where they have the right form. */
function mask(payload: string): string {
  return payload
    .replace(/^[0-9a-f-]{36}\|/, 'id|')
    .replace(/\|\d\d:\d\d:\d\d\.\d{6}\|/, '|time|')
    .replace(/\|(network|application)\|\d+\|/, '|$1|bytes|')
    .replace(/\|OK\|(?:\w+\/[\d.]+:\d+,?)+\|(?:v\d+\.\d+\.\d+|1\.0\.0)[^|]*\|(?:\w+\/[\d.]+:\d+,?)+$/, '|OK|hostports');
}
