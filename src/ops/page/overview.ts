import type { Status } from '../../admin/protocol.ts';
import { byId, make, setText, setTone, type Tone } from './dom.ts';
import { count, duration } from './format.ts';

const READINESS: Readonly<Record<Status['readiness'], Tone>> = { ready: 'good', degraded: 'warn', 'not ready': 'bad' };

const readiness = byId('readiness', HTMLElement);

/** The head of the page and its tiles. */
export function showStatus(status: Status): void {
  const why = status.notReadyBecause === null ? '' : `: ${status.notReadyBecause}`;
  setText(readiness, status.readiness + why);
  setTone(readiness, READINESS[status.readiness]);
  const { version, clusterId, sip, startedAt, now, outbound, featureServers: servers } = status;
  const leader = outbound.leading ? 'registers at carriers' : 'does not register at carriers';
  const parts = [version, `cluster ${clusterId}`, `up for ${duration(now - startedAt)}`, leader, sip.hostports];
  setText(byId('facts', HTMLElement), parts.filter((part) => part !== '').join(' · '));
  const { trunks, gateways } = outbound;
  tile('Registered AORs', count(status.registeredAors));
  tile(
    'Feature servers',
    servers ? `${servers.active}` : 'unknown',
    servers && servers.drained > 0 ? `${servers.drained} drained` : '',
  );
  tile('RTP servers', count(status.rtpServers));
  tile('Trunks registered', `${trunks.registered}/${trunks.total}`);
  tile('Gateways up', `${gateways.up}/${gateways.up + gateways.down + gateways.unknown}`);
  tile('Banned sources', count(status.bans));
  if (status.edge) tile('Connections', count(status.edge.connections));
}

/** Shows that what the page shows is old. */
export function showLost(why: string): void {
  setText(readiness, `no connection to the sidecar, trying again (${why})`);
  setTone(readiness, 'bad');
}

const tiles = new Map<string, { readonly value: HTMLElement; readonly note: HTMLElement }>();

function tile(name: string, value: string, note = ''): void {
  const known = tiles.get(name) ?? newTile(name);
  setText(known.value, value);
  setText(known.note, note);
}

function newTile(name: string) {
  const value = make('b');
  const note = make('small');
  const definition = make('dd');
  definition.append(value, note);
  const group = make('div');
  group.append(make('dt', name), definition);
  byId('tiles', HTMLElement).append(group);
  const made = { value, note };
  tiles.set(name, made);
  return made;
}
