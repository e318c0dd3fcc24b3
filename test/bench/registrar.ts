import { type PeerRequest, type Script, SipPeer } from '../support/sip-peer.ts';
import { ok, Registrar, type RegistrarOptions } from '../support/sip-registrar.ts';

export interface BenchRegistrarOptions extends Pick<RegistrarOptions, 'password' | 'algorithms'> {
  /** Whether to lose a request; `copies` counts its transmissions, this one included. */
  readonly lost?: (request: PeerRequest, copies: number) => boolean;
  /** The headers of a 200 for a Contact. */
  readonly listed?: (contact: string, expires: number) => Record<string, string>;
}

/** Starts a registrar to test the generator. It challenges everything but a refresh of a Contact that it has. */
export async function startRegistrar(options: BenchRegistrarOptions) {
  const { lost, listed = listedContact, ...rest } = options;
  const registrar = new Registrar({ ...rest, realm: 'sidecar.test', opaque: 'o,p' });
  const script: Script = (request) => {
    if (lost?.(request, 1 + peer.requests.filter(({ text }) => text === request.text).length)) return 'lost';
    if (request.method !== 'REGISTER') return ok();
    const contact = request.header('Contact') ?? '';
    const expires = Number(request.header('Expires'));
    const answer = expires > 0 && isBound(registrar, request, contact) ? ok() : registrar.answer(request);
    return answer.status === 200 ? { ...answer, headers: listed(contact, expires) } : answer;
  };
  const peer = await SipPeer.start(script);
  return { peer, registrar };
}

function isBound(registrar: Registrar, request: PeerRequest, contact: string): boolean {
  const user = /sip:([^@]+)@/.exec(request.header('To') ?? '')?.[1] ?? '';
  return registrar.registered.get(user)?.contact === contact && contact.endsWith(`@${sourceOf(request)}>`);
}

function listedContact(contact: string, expires: number): Record<string, string> {
  return expires > 0 ? { Contact: `${contact};expires=${expires}` } : {};
}

/** Address and port. */
export function sourceOf({ source }: PeerRequest): string {
  return `${source.address}:${source.port}`;
}
