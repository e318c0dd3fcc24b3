import { newId } from '../../../src/edge/tokens.ts';
import type { Header, ParsedMessage, Wire } from '../../../src/sip/message.ts';

export interface End {
  readonly protocol: string;
  readonly address: string;
  readonly port: number;
}

export function requestLeader(bytes: number, peer: End, id: string, local: End): string {
  return `${newId()}|sip|network|${bytes}|${peer.protocol}|${peer.address}|${peer.port}|${time()}|${id}||${local.address}|${local.port}|\r\n`;
}

/** The first line of a frame with a response. One that the server made itself has 0 bytes and no address. */
export function responseLeader(bytes: number, peer: End, id: string): string {
  return `${newId()}|sip|network|${bytes}|${peer.protocol}|${peer.address}|${peer.port}|${time()}|${id}||\r\n`;
}

/** Follows `OK|` after an app's response was sent. */
export function responseSent(bytes: number, peer: End, id: string): string {
  return `application|${bytes}||${peer.address}|${peer.port}|${time()}|${id}|||Msg sent:|\r\n`;
}

/** Follows `OK|` after an app's request was sent. */
export function requestSent(bytes: number, peer: End, id: string): string {
  return `application|${bytes}|${peer.protocol}|${peer.address}|${peer.port}|${time()}|${id}|Msg sent:|\r\n`;
}

const CRLF = Buffer.from('\r\n');

/** The inverse of parsing. @param headers replace those of the message */
export function serialise(message: ParsedMessage, headers: readonly Header[] = message.headers): Wire {
  const startLine =
    message.kind === 'request'
      ? `${message.method} ${message.uri} SIP/2.0`
      : `SIP/2.0 ${message.status} ${message.reason}`;
  const { body } = message;
  if (body.length === 0 && headers.every(({ octets }) => octets === undefined))
    return `${startLine}\r\n${headers.map(({ name, value }) => `${name}: ${value}\r\n`).join('')}\r\n`;
  const lines = headers.flatMap(({ name, value, octets }) => [
    Buffer.from(`${name}: `),
    octets === undefined ? Buffer.from(value) : Buffer.from(octets, 'latin1'),
    CRLF,
  ]);
  return Buffer.concat([Buffer.from(startLine), CRLF, ...lines, CRLF, body]);
}

/** `HH:MM:SS.micros`, UTC. */
function time(): string {
  return `${new Date().toISOString().slice(11, 23)}000`;
}
