import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type Answer, decode, encode, type Question, RECURSION_AVAILABLE, RECURSION_DESIRED } from 'dns-packet';
import { onCleanup } from './cleanup.ts';

/** The records of a name. The TTL is in seconds. */
export interface Records {
  readonly A?: readonly string[];
  readonly AAAA?: readonly string[];
  readonly CNAME?: string;
  /** `priority weight port target`; every target is a full name. */
  readonly SRV?: readonly string[];
  /** Replacements, of otherwise usual records for SIP over UDP. */
  readonly NAPTR?: readonly string[];
  readonly ttl?: number;
}

export type Mood = 'answers' | 'silent' | 'malformed' | 'FORMERR' | 'SERVFAIL' | 'NXDOMAIN' | 'NOTIMP' | 'REFUSED';

const RCODES: Readonly<Record<Exclude<Mood, 'silent' | 'malformed'>, number>> = {
  answers: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
};
const DEFAULT_TTL = 60;

/** A name server, on a free UDP port of 127.0.0.1 unless another address is given. */
export class DnsServer {
  /** Lower-case name → its records. */
  zone: Readonly<Record<string, Records>> = {};
  mood: Mood = 'answers';
  /** Of questions of a type, instead of `mood`. */
  readonly moodOf = new Map<string, Mood>();
  readonly questions: string[] = [];

  private constructor(private readonly socket: Socket) {
    socket.on('message', (message, { port, address }) => {
      const { id, questions = [] } = decode(message);
      const [question] = questions;
      if (!question) return;
      this.questions.push(`${question.type} ${question.name.toLowerCase()}`);
      const mood = this.moodOf.get(question.type) ?? this.mood;
      if (mood === 'silent') return;
      if (mood === 'malformed') return void socket.send(message.subarray(0, 14), port, address);
      const records = this.zone[question.name.toLowerCase()];
      const rcode = mood === 'answers' && !records ? RCODES.NXDOMAIN : RCODES[mood];
      const answers = rcode === 0 && records ? this.#answers(question, records) : [];
      const flags = rcode | RECURSION_DESIRED | RECURSION_AVAILABLE;
      socket.send(
        encode({ type: 'response', ...(id !== undefined && { id }), flags, questions, answers }),
        port,
        address,
      );
    });
  }

  static async start(
    zone: Readonly<Record<string, Records>> = {},
    { address = '127.0.0.1', port = 0 } = {},
  ): Promise<DnsServer> {
    const socket = createSocket('udp4');
    socket.bind(port, address);
    await once(socket, 'listening');
    const server = new DnsServer(socket);
    server.zone = zone;
    onCleanup(() => server.stop());
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.socket.address().port}`;
  }

  /** How often a question was asked, such as `SRV _sip._udp.example.com`. */
  asked(question: string): number {
    return this.questions.filter((one) => one === question).length;
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.socket.close();
  }

  #stopped = false;

  #answers({ name, type }: Question, records: Records): Answer[] {
    const { ttl = DEFAULT_TTL, CNAME } = records;
    if (CNAME !== undefined) {
      const target = this.zone[CNAME];
      const rest = target ? this.#answers({ name: CNAME, type }, target) : [];
      return [{ name, type: 'CNAME', ttl, data: CNAME }, ...rest];
    }
    if (type === 'A' || type === 'AAAA') return (records[type] ?? []).map((data) => ({ name, type, ttl, data }));
    if (type === 'NAPTR')
      return (records.NAPTR ?? []).map((replacement) => ({
        name,
        type,
        ttl,
        data: { order: 10, preference: 10, flags: 's', services: 'SIP+D2U', regexp: '', replacement },
      }));
    if (type !== 'SRV') return [];
    return (records.SRV ?? []).map((line) => {
      const [priority, weight, port, target = '.'] = line.split(' ');
      return {
        name,
        type,
        ttl,
        data: { priority: Number(priority), weight: Number(weight), port: Number(port), target },
      };
    });
  }
}
