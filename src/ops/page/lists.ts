import type {
  BanRow,
  DependencyRow,
  FeatureServerRow,
  GatewayRow,
  Result,
  Status,
  TrunkRow,
} from '../../admin/protocol.ts';
import type { RefusalCount } from '../recent-figures.ts';
import type { Acts } from './act-buttons.ts';
import type { More } from './client.ts';
import { byId, setText, type Tone } from './dom.ts';
import { ago, count, duration, hostPort, latency, until } from './format.ts';
import { type Cell, Table } from './table.ts';

type WithNow<Row> = Row & { readonly now: number };

/** All lists but that of bindings. */
export class Lists {
  readonly #dependencies: Table<WithNow<DependencyRow>>;
  readonly #servers: Table<WithNow<FeatureServerRow>>;
  readonly #trunks: Table<WithNow<TrunkRow | SkippedRow>>;
  readonly #gateways: Table<WithNow<GatewayRow>>;
  readonly #bans: Table<WithNow<BanRow>>;
  readonly #refusals: Table<RefusalCount>;

  constructor(acts: Acts) {
    const parent = (id: string) => byId(id, HTMLElement);
    this.#dependencies = new Table(parent('dependencies'), {
      label: 'Dependencies',
      empty: 'none',
      key: ({ role }) => role,
      columns: [
        { title: 'Role', cell: ({ role }) => ({ text: role }) },
        { title: 'Service', cell: ({ name }) => ({ text: name }) },
        { title: 'Address', cell: ({ address }) => ({ text: address }), isMinor: true, isLong: true },
        { title: 'State', cell: ({ state, since, now }) => stateCell(state, `${state} for ${duration(now - since)}`) },
        { title: 'Why', cell: ({ why }) => ({ text: why ?? '' }), isLong: true },
      ],
    });
    this.#servers = new Table(parent('servers'), {
      label: 'Feature servers',
      empty: 'No feature server checks in.',
      key: ({ server }) => server,
      columns: [
        { title: 'Server', cell: ({ server }) => ({ text: server }) },
        { title: 'State', cell: ({ status }) => stateCell(status) },
        { title: 'Calls', cell: ({ calls }) => ({ text: calls === null ? '–' : count(calls) }), isNumber: true },
        { title: 'Check-in', cell: ({ lastCheckIn, now }) => ({ text: ago(lastCheckIn, now) }), isMinor: true },
        { title: 'Act', cell: (row) => acts.drain(row) },
      ],
    });
    this.#trunks = new Table(parent('trunks'), {
      label: 'Registrations at carriers',
      empty: 'No trunk registers here.',
      key: (row) => `${row.carrierSid} ${row.gateway}`,
      columns: [
        { title: 'Carrier', cell: ({ carrier }) => ({ text: carrier }), isLong: true },
        {
          title: 'Registrar',
          cell: (row) => ({ text: 'state' in row ? hostPort(row.host, row.port) : '–' }),
          isMinor: true,
        },
        {
          title: 'State',
          cell: (row) =>
            'state' in row ? stateCell(row.state, `${row.state} for ${duration(row.now - row.since)}`) : SKIPPED,
        },
        {
          title: 'Last reason',
          cell: (row) => ({ text: ('state' in row ? row.lastReason : row.why) ?? '' }),
          isLong: true,
        },
        {
          title: 'Next try',
          cell: (row) => ({ text: 'state' in row ? until(row.nextTryAt, row.now) : '–' }),
          isMinor: true,
        },
      ],
    });
    this.#gateways = new Table(parent('gateways'), {
      label: 'Gateways that are pinged',
      empty: 'No gateway is pinged here.',
      key: ({ gateway }) => gateway,
      columns: [
        { title: 'Carrier', cell: ({ carrier }) => ({ text: carrier }), isLong: true },
        { title: 'Gateway', cell: ({ host, port }) => ({ text: hostPort(host, port) }) },
        { title: 'State', cell: ({ state }) => stateCell(state) },
        { title: 'Round trip', cell: ({ rttMs }) => ({ text: latency(rttMs) }), isNumber: true, isMinor: true },
        { title: 'Last answer', cell: ({ lastAnswer }) => ({ text: lastAnswer ?? '–' }), isMinor: true, isLong: true },
      ],
    });
    this.#bans = new Table(parent('bans'), {
      label: 'Banned sources',
      empty: 'No source is banned.',
      key: ({ source }) => source,
      columns: [
        { title: 'Source', cell: ({ source }) => ({ text: source }) },
        { title: 'Ends', cell: (row) => ({ text: until(row.until, row.now) }) },
        { title: 'Act', cell: ({ source }) => acts.clearBan(source) },
      ],
    });
    this.#refusals = new Table(parent('refusals'), {
      label: 'Refusals of the last five minutes',
      empty: 'Nothing was refused.',
      key: ({ reason }) => reason,
      columns: [
        { title: 'Reason', cell: ({ reason }) => ({ text: reason }) },
        { title: 'REGISTERs', cell: (row) => ({ text: count(row.count) }), isNumber: true },
      ],
    });
  }

  dependencies({ dependencies, now }: Status): void {
    this.#dependencies.show(dependencies.map((row) => ({ ...row, now })));
  }

  servers({ servers, now, more }: Result<'fs-list'> & More): void {
    this.#servers.show(
      servers.map((row) => ({ ...row, now })),
      more?.servers,
    );
  }

  trunks({ trunks, skipped, leading, holder, now, more }: Result<'trunk-list'> & More): void {
    this.#trunks.show(
      [...skipped, ...trunks].map((row) => ({ ...row, now })),
      (more?.trunks ?? 0) + (more?.skipped ?? 0),
    );
    const leader = holder === null ? 'No sidecar registers at carriers now.' : 'Another sidecar registers at carriers.';
    setText(byId('leadership', HTMLElement), leading ? '' : leader);
  }

  gateways({ gateways, now, more }: Result<'gateway-list'> & More): void {
    this.#gateways.show(
      gateways.map((row) => ({ ...row, now })),
      more?.gateways,
    );
  }

  bans({ bans, now, more }: Result<'ban-list'> & More): void {
    this.#bans.show(
      bans.map((row) => ({ ...row, now })),
      more?.bans,
    );
  }

  refusals(refusals: readonly RefusalCount[]): void {
    this.#refusals.show(refusals);
  }

  /** Shows that a list could not be read. */
  failed(list: 'servers' | 'trunks' | 'gateways' | 'bans', why: string): void {
    const tables = { servers: this.#servers, trunks: this.#trunks, gateways: this.#gateways, bans: this.#bans };
    tables[list].fail(why);
  }
}

type SkippedRow = Result<'trunk-list'>['skipped'][number];

const SKIPPED: Cell = { text: 'skipped', tone: 'warn' };

const TONES: Readonly<Record<string, Tone>> = {
  up: 'good',
  active: 'good',
  registered: 'good',
  refreshing: 'good',
  down: 'bad',
  failing: 'bad',
  disabled: 'bad',
  drained: 'warn',
  orphaned: 'warn',
  unknown: 'warn',
};

function stateCell(state: string, text = state): Cell {
  return { text, tone: TONES[state] };
}
