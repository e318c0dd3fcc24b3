import { newId } from '../tokens.ts';

/** Who is at the far end, as a frame tells it. */
export interface Peer {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

/** The first line of a frame that brings a request from the network to an app. */
export function requestLeader(bytes: number, peer: Peer, id: string, local: Peer): string {
  return `${newId()}|sip|network|${bytes}|${peer.protocol}|${peer.address}|${peer.port}|${time()}|${id}||${local.address}|${local.port}|\r\n`;
}

/** The first line of a frame that brings a response; of one made by the edge itself with 0 bytes from nobody. */
export function responseLeader(bytes: number, peer: Peer, id: string): string {
  return `${newId()}|sip|network|${bytes}|${peer.protocol}|${peer.address}|${peer.port}|${time()}|${id}||\r\n`;
}

/** What follows `OK|` when an app's response has gone out, before its text. */
export function responseSent(bytes: number, peer: Peer, id: string): string {
  return `application|${bytes}||${peer.address}|${peer.port}|${time()}|${id}|||Msg sent:|\r\n`;
}

/** What follows `OK|` when an app's new request has gone out, before its text. */
export function requestSent(bytes: number, peer: Peer, id: string): string {
  return `application|${bytes}|${peer.protocol}|${peer.address}|${peer.port}|${time()}|${id}|Msg sent:|\r\n`;
}

/** `HH:MM:SS.micros`, UTC. */
function time(): string {
  return `${new Date().toISOString().slice(11, 23)}000`;
}
