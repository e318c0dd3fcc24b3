/** Line plots as SVG, on a card of their own that follows the reader's light or dark theme. */

interface Axis {
  /** With the unit. */
  readonly label: string;
  readonly scale: 'linear' | 'log';
  readonly ticks: readonly number[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** A bar from `low` to `high` through the point. */
  readonly low?: number;
  readonly high?: number;
  /** Drawn as a ring, for a point that differs from the others as the subtitle says. */
  readonly isRing?: boolean;
}

export interface Series {
  /** Written beside its last point. */
  readonly name: string;
  readonly points: readonly Point[];
}

export interface Plot {
  readonly title: string;
  readonly subtitle: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** A dashed line of reference. */
  readonly reference?: Series;
}

const WIDTH = 860;
const HEIGHT = 460;
const LEFT = 78;
const RIGHT = 190;
const TOP = 84;
const BOTTOM = 66;
const LINE_HEIGHT = 17;

/** Colours by theme, in the order of the series: distinguishable with any colour vision, and by their markers. */
const STYLE = `
svg { --card: #ffffff; --edge: #d0d7de; --text: #1f2328; --muted: #59636e; --grid: #e6e9ed; --s0: #0b62d6; --s1: #c2410c; --s2: #0f766e; --s3: #7c3aed; }
@media (prefers-color-scheme: dark) {
svg { --card: #0d1117; --edge: #3d444d; --text: #f0f6fc; --muted: #9198a1; --grid: #21262d; --s0: #58a6ff; --s1: #fb923c; --s2: #2dd4bf; --s3: #c4a1ff; }
}
text { font-family: -apple-system, "Segoe UI", "Noto Sans", Helvetica, Arial, sans-serif; font-size: 13px; fill: var(--muted); }
.title { font-size: 17px; font-weight: 600; fill: var(--text); }
.card { fill: var(--card); stroke: var(--edge); }
.grid { stroke: var(--grid); }
.axis { stroke: var(--muted); }
.reference { stroke: var(--muted); stroke-dasharray: 5 5; fill: none; }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round; }
.name { font-weight: 600; }
${[0, 1, 2, 3].map((i) => `.s${i} { stroke: var(--s${i}); } .s${i}.fill { fill: var(--s${i}); } .s${i}.ring { fill: var(--card); stroke-width: 2; } text.s${i} { fill: var(--s${i}); stroke: none; }`).join('\n')}`;

export function svg({ title, subtitle, x, y, series, reference }: Plot): string {
  const right = WIDTH - RIGHT;
  const bottom = HEIGHT - BOTTOM;
  const toX = scaled(x, LEFT, right);
  const toY = scaled(y, bottom, TOP);
  const at = (point: Point) => `${px(toX(point.x))},${px(toY(point.y))}`;
  const path = ({ points }: Series) => `M${points.map(at).join('L')}`;
  const named = reference ? [...series, reference] : series;
  const labels = spaced(named.map(({ points }) => toY(points.at(-1)?.y ?? 0)));
  const label = ({ name, points }: Series, i: number, attributes: string) =>
    text(toX(points.at(-1)?.x ?? 0) + 14, (labels[i] ?? 0) + 4.5, name, attributes);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="8"/>`,
    text(24, 34, title, 'class="title"'),
    text(24, 56, subtitle),
    ...y.ticks.flatMap((tick) => {
      const at = px(toY(tick));
      return [
        `<line class="grid" x1="${LEFT}" x2="${right}" y1="${at}" y2="${at}"/>`,
        text(LEFT - 10, toY(tick) + 4.5, grouped(tick), 'text-anchor="end"'),
      ];
    }),
    ...x.ticks.flatMap((tick) => {
      const at = px(toX(tick));
      return [
        `<line class="axis" x1="${at}" x2="${at}" y1="${bottom}" y2="${bottom + 5}"/>`,
        text(toX(tick), bottom + 21, grouped(tick), 'text-anchor="middle"'),
      ];
    }),
    `<line class="axis" x1="${LEFT}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    text((LEFT + right) / 2, HEIGHT - 18, x.label, 'text-anchor="middle"'),
    `<text transform="translate(22 ${(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">${escaped(y.label)}</text>`,
    ...(reference ? [`<path class="reference" d="${path(reference)}"/>`, label(reference, series.length, '')] : []),
    ...series.flatMap((one, i) => [
      `<path class="line s${i}" d="${path(one)}"/>`,
      ...one.points.flatMap((point) => marker(point, i, toX, toY)),
      label(one, i, `class="name s${i}"`),
    ]),
    '</svg>\n',
  ].join('\n');
}

function marker({ x, y, low, high, isRing }: Point, i: number, toX: Scale, toY: Scale): string[] {
  const [cx, cy] = [px(toX(x)), px(toY(y))];
  const kind = `class="s${i} ${isRing ? 'ring' : 'fill'}"`;
  const range = low !== undefined && high !== undefined && high > low;
  return [
    ...(range ? [`<line class="s${i}" x1="${cx}" x2="${cx}" y1="${px(toY(low))}" y2="${px(toY(high))}"/>`] : []),
    `<circle ${kind} cx="${cx}" cy="${cy}" r="4.5"/>`,
  ];
}

type Scale = (value: number) => number;

/** From the first tick to the last. */
function scaled({ scale, ticks }: Axis, from: number, to: number): Scale {
  const along = scale === 'log' ? Math.log : (value: number) => value;
  const first = along(ticks[0] ?? 0);
  const last = along(ticks.at(-1) ?? 1);
  return (value) => from + ((along(value) - first) / (last - first)) * (to - from);
}

/** Moves labels apart, downwards, until none covers another. */
function spaced(wanted: readonly number[]): number[] {
  const placed: number[] = [];
  let previous = Number.NEGATIVE_INFINITY;
  const order = wanted.map((y, i) => ({ y, i })).sort((a, b) => a.y - b.y);
  for (const { y, i } of order) {
    previous = Math.max(y, previous + LINE_HEIGHT);
    placed[i] = previous;
  }
  return placed;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${px(x)}" y="${px(y)}" ${attributes}>${escaped(content)}</text>`;
}

function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** With thin spaces between groups of three digits. */
function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
