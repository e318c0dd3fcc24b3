import { openPeer, type WirePeer } from '../../test/support/wire.ts';
import { Latency } from '../lib/latency.ts';
import { Phone } from '../lib/phone.ts';
import { contactLines, requestText } from '../lib/request.ts';
import { portOf, type Server } from '../lib/server.ts';
import { REALM } from '../lib/sidecar.ts';

export interface Intruders {
  readonly protocol: 'udp' | 'tcp';
  /** Addresses that they guess from, in 127.1.0.0/16. */
  readonly sources: number;
  /** REGISTERs with a wrong password, each after a challenge of its own. */
  readonly guesses: number;
}

export interface GuessesResult {
  readonly seconds: number;
  readonly requests: number;
  /** By status. */
  readonly responses: Readonly<Record<string, number>>;
  /** Of a phone that registers over UDP meanwhile. */
  readonly registrations: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

/** Requests in progress, of all sources together. */
const WINDOW = 2000;
const MAX_OPEN = 100;
const SILENCE_MS = 1000;
/** In a row, before a source counts as banned. */
const MAX_SILENCES = 3;
/** Requests of a banned source between two pauses of 1 ms. */
const BLIND = 50;
const PAUSE_MS = 20;
const USERS = 100;
const WRONG = '0'.repeat(32);

/**
 * Guesses passwords as fast as the server responds, half of them of users that do not exist, while a phone registers. A
 * banned source sends the rest of its guesses without waiting.
 * @throws when the phone is not served
 */
export async function guessPasswords(server: Server, intruders: Intruders): Promise<GuessesResult> {
  const { protocol, sources, guesses } = intruders;
  const flood = new Flood(protocol, portOf(server, protocol), Math.ceil(WINDOW / Math.min(MAX_OPEN, sources)));
  const share = (source: number) => Math.floor((guesses * source) / sources);
  let next = 0;
  const guessInTurn = async () => {
    while (next < sources) {
      const source = next++;
      await flood.guess(`127.1.${source >> 8}.${source & 255}`, share(source + 1) - share(source));
    }
  };
  const phone = await Phone.open('udp', portOf(server, 'udp'), 1);
  const latency = new Latency();
  const began = performance.now();
  let over = false;
  const register = async () => {
    while (!over) {
      const sentAt = performance.now();
      await phone.register();
      latency.add(performance.now() - sentAt);
      await Bun.sleep(PAUSE_MS);
    }
  };
  try {
    const registering = register();
    const guessing = Promise.all(Array.from({ length: Math.min(MAX_OPEN, sources) }, guessInTurn));
    await Promise.race([guessing, registering]);
    over = true;
    await registering;
  } finally {
    over = true;
    phone.close();
  }
  return {
    seconds: (performance.now() - began) / 1000,
    requests: flood.requests,
    responses: flood.responses,
    registrations: latency.count,
    p50Ms: latency.percentile(0.5),
    maxMs: latency.percentile(1),
  };
}

class Flood {
  requests = 0;
  readonly responses: Record<string, number> = {};

  constructor(
    private readonly protocol: Intruders['protocol'],
    private readonly port: number,
    private readonly window: number,
  ) {}

  /** Guesses from an address until it has sent so many wrong passwords, or its connection is refused. */
  async guess(address: string, guesses: number): Promise<void> {
    using peer = await openPeer(this.protocol, this.port, undefined, address);
    const sent = await this.#whileAnswered(peer, guesses);
    if (this.protocol !== 'udp') return;
    for (let i = sent; i < guesses; i++) {
      this.#send(peer, 'none');
      if (i % BLIND === 0) await Bun.sleep(1);
    }
  }

  /** @returns how many wrong passwords were sent */
  async #whileAnswered(peer: WirePeer, guesses: number): Promise<number> {
    let sent = 0;
    let open = 0;
    let silences = 0;
    for (; open < Math.min(this.window, guesses); open++) this.#send(peer);
    while (open > 0 && silences < MAX_SILENCES) {
      const response = await peer.next('a response', SILENCE_MS).catch(() => undefined);
      if (response === undefined) {
        silences++;
        open = 1;
        this.#send(peer);
        continue;
      }
      silences = 0;
      const status = response.slice(8, 11);
      this.responses[status] = (this.responses[status] ?? 0) + 1;
      if (status === '401' && sent < guesses) {
        sent++;
        this.#send(peer, nonceOf(response));
      } else if (sent + open <= guesses) this.#send(peer);
      else open--;
    }
    return sent;
  }

  #send(peer: WirePeer, nonce?: string): void {
    const n = ++this.requests;
    const user = n % 2 === 0 ? `user${1 + (n % USERS)}` : `stranger${n}`;
    const own = `${peer.address}:${peer.port}`;
    const authorization =
      nonce === undefined
        ? ''
        : `Authorization: Digest username="${user}", realm="${REALM}", nonce="${nonce}", uri="sip:${REALM}", ` +
          `response="${WRONG}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"\r\n`;
    const request = requestText({
      method: 'REGISTER',
      realm: REALM,
      aor: `<sip:${user}@${REALM}>`,
      tag: `${n}`,
      via: `${this.protocol.toUpperCase()} ${own}`,
      branch: `guess${n}`,
      callId: `${n}@${own}`,
      cseq: n,
      more: contactLines(`sip:${user}@${own}`) + authorization,
    });
    peer.send(request);
  }
}

function nonceOf(response: string): string {
  return /nonce="([^"]*)"/.exec(response)?.[1] ?? '';
}
