import { openPeer, type WirePeer } from '../../test/support/wire.ts';
import { Latency } from '../lib/latency.ts';
import { Phone } from '../lib/phone.ts';
import { portOf, type Server } from '../lib/server.ts';
import { REALM } from '../lib/sidecar.ts';

export interface Intruders {
  readonly protocol: 'udp' | 'tcp';
  /** Addresses that they guess from. */
  readonly sources: number;
  /** REGISTERs with a wrong password, each after a challenge of its own. */
  readonly guesses: number;
}

export interface GuessesResult {
  readonly seconds: number;
  /** Requests sent, and responses by status. */
  readonly requests: number;
  readonly responses: Readonly<Record<string, number>>;
  /** Of a phone that registers over UDP meanwhile. */
  readonly registrations: number;
  readonly p50Ms: number;
  readonly maxMs: number;
}

/** Requests in progress, of all intruders together. */
const WINDOW = 2000;
const MAX_OPEN = 100;
/** Without a response for this long a source is banned. */
const SILENCE_MS = 1000;
const MAX_SILENCES = 3;
/** Requests of a banned source for each turn of the event loop. */
const BLIND = 50;
const USERS = 100;
const WRONG = '0'.repeat(32);

/**
 * Guesses passwords as fast as the server responds, half of them of users that do not exist, while a phone registers. A
 * banned intruder goes on without responses.
 * @throws when the phone is not served
 */
export async function guessPasswords(server: Server, intruders: Intruders): Promise<GuessesResult> {
  const { protocol, sources, guesses } = intruders;
  const flood = new Flood(protocol, portOf(server, protocol), Math.ceil(WINDOW / Math.min(MAX_OPEN, sources)));
  const phone = await Phone.open('udp', portOf(server, 'udp'), 1);
  const latency = new Latency();
  const began = performance.now();
  let over = false;
  const registering = (async () => {
    while (!over) {
      const sentAt = performance.now();
      await phone.register();
      latency.add(performance.now() - sentAt);
      await Bun.sleep(20);
    }
  })();
  let next = 0;
  const inTurn = async () => {
    while (next < sources) {
      const source = next++;
      const address = `127.1.${source >> 8}.${source & 255}`;
      await flood.guess(
        address,
        Math.floor(((source + 1) * guesses) / sources) - Math.floor((source * guesses) / sources),
      );
    }
  };
  try {
    await Promise.race([registering, Promise.all(Array.from({ length: MAX_OPEN }, inTurn))]);
    const seconds = (performance.now() - began) / 1000;
    over = true;
    await registering;
    const { requests, responses } = flood;
    const [p50Ms, maxMs] = [latency.percentile(0.5), latency.percentile(1)];
    return { seconds, requests, responses, registrations: latency.count, p50Ms, maxMs };
  } finally {
    phone.close();
  }
}

class Flood {
  requests = 0;
  readonly responses: Record<string, number> = {};

  constructor(
    private readonly protocol: Intruders['protocol'],
    private readonly port: number,
    private readonly window: number,
  ) {}

  /** Guesses from an address until it has sent so many wrong passwords. */
  async guess(address: string, guesses: number): Promise<void> {
    using peer = await openPeer(this.protocol, this.port, undefined, address);
    let sent = 0;
    let silences = 0;
    let open = 0;
    const begin = (wanted: number) => {
      for (open = 0; open < wanted; open++) this.#send(peer);
    };
    begin(Math.min(this.window, guesses));
    while (open > 0 && silences < MAX_SILENCES) {
      const response = await peer.next('a response', SILENCE_MS).catch(() => undefined);
      if (response === undefined) {
        silences++;
        begin(1);
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
    for (; sent < guesses && this.protocol === 'udp'; sent++) {
      this.#send(peer, 'none');
      if (sent % BLIND === 0) await Bun.sleep(1);
    }
  }

  #send(peer: WirePeer, nonce?: string): void {
    const n = ++this.requests;
    const user = n % 2 === 0 ? `user${1 + (n % USERS)}` : `nobody${n}`;
    const aor = `<sip:${user}@${REALM}>`;
    const own = `${peer.address}:${peer.port}`;
    const authorization =
      nonce === undefined
        ? ''
        : `Authorization: Digest username="${user}", realm="${REALM}", nonce="${nonce}", uri="sip:${REALM}", ` +
          `response="${WRONG}", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"\r\n`;
    peer.send(
      `REGISTER sip:${REALM} SIP/2.0\r\nVia: SIP/2.0/${this.protocol.toUpperCase()} ${own};branch=z9hG4bKguess${n};rport\r\n` +
        `Max-Forwards: 70\r\nFrom: ${aor};tag=${n}\r\nTo: ${aor}\r\nCall-ID: ${n}@${own}\r\nCSeq: ${n} REGISTER\r\n` +
        `Contact: <sip:${user}@${own}>\r\n${authorization}User-Agent: intruder\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n`,
    );
  }
}

function nonceOf(response: string): string {
  return /nonce="([^"]*)"/.exec(response)?.[1] ?? '';
}
