import { make, setText } from './dom.ts';

const SVG = 'http://www.w3.org/2000/svg' as const;
/** Seconds from the left edge to the right one. */
const SPAN_SECONDS = 300;
/** Values that are no further apart are connected, seconds. */
const MAX_GAP = 10;
/** Units of the drawing; it is stretched to its place on the page. */
const WIDTH = 600;
const HEIGHT = 100;

export interface Line {
  readonly name: string;
  /** Class of the line: its colour and its pattern. */
  readonly style: 'first' | 'second';
  /** By second since the epoch; a second without a value is a gap. */
  readonly values: ReadonlyMap<number, number>;
}

export interface PlotOptions {
  readonly title: string;
  /** A value with its unit. */
  format(value: number): string;
  /** The scale reaches at least this. */
  readonly least: number;
}

/** Lines over the last five minutes. */
export class Plot {
  readonly #legend = make('p', '', 'legend');
  readonly #top = make('span', '', 'top');
  readonly #middle = make('span', '', 'middle');
  readonly #svg = svg('svg');

  constructor(
    parent: Element,
    private readonly options: PlotOptions,
  ) {
    const figure = make('figure', '', 'card');
    const caption = make('figcaption');
    caption.append(make('h3', options.title), this.#legend);
    this.#svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute('preserveAspectRatio', 'none');
    this.#svg.setAttribute('role', 'img');
    const area = make('div', '', 'plot');
    area.append(this.#svg, this.#top, this.#middle);
    const axis = make('p', '', 'axis');
    axis.append(make('span', '5 min ago'), make('span', 'now'));
    figure.append(caption, area, axis);
    parent.append(figure);
  }

  /** @param end the second at the right edge, since the epoch */
  draw(lines: readonly Line[], end: number): void {
    const { format, least, title } = this.options;
    const all = lines.flatMap(({ values }) => [...values.values()]);
    const top = niceAbove(all.reduce((highest, value) => Math.max(highest, value), least));
    setText(this.#top, format(top));
    setText(this.#middle, format(top / 2));
    this.#svg.replaceChildren(gridLine(0), gridLine(HEIGHT / 2), ...lines.flatMap((line) => shapes(line, end, top)));
    this.#legend.replaceChildren(...lines.map((line) => entry(line, end, format)));
    const spoken = lines.map((line) => `${line.name} ${latest(line, end, format)}`).join(', ');
    this.#svg.setAttribute('aria-label', `${title}: now ${spoken}; the scale ends at ${format(top)}`);
  }
}

/** The smallest of 1, 2, 3, 4, 6, 8, 10, 20 … that is not below a value. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 3, 4, 6, 8, 10].find((each) => each * power >= value * 0.999) ?? 10;
  return factor * power;
}

function latest({ values }: Line, end: number, format: (value: number) => string): string {
  const value = values.get(end);
  return value === undefined ? '–' : format(value);
}

function entry(line: Line, end: number, format: (value: number) => string): HTMLElement {
  const item = make('span', '', `entry ${line.style}`);
  item.append(make('span', line.name), make('b', latest(line, end, format)));
  return item;
}

/** The line, over its area when it is the first. A value without neighbours is a dot. */
function shapes({ values, style }: Line, end: number, top: number): SVGElement[] {
  const runs = runsOf(values, end).map((seconds) =>
    seconds.map((second): Point => {
      const x = WIDTH * (1 - (end - second) / SPAN_SECONDS);
      const y = HEIGHT * (1 - (values.get(second) ?? 0) / top);
      return [x.toFixed(1), y.toFixed(1)];
    }),
  );
  const lines = runs.filter((points) => points.length > 1);
  const dots = runs.filter((points) => points.length === 1);
  return [
    ...(style === 'first' ? [path(lines.map(areaOf).join(''), 'area first')] : []),
    path(lines.map((points) => `M${polyline(points)}`).join(''), `line ${style}`),
    path(dots.map((points) => `M${polyline(points)}h0.1`).join(''), `dot ${style}`),
  ];
}

type Point = readonly [x: string, y: string];

function polyline(points: readonly Point[]): string {
  return points.map((point) => point.join(' ')).join('L');
}

function areaOf(points: readonly Point[]): string {
  return `M${points[0]?.[0]} ${HEIGHT}L${polyline(points)}L${points.at(-1)?.[0]} ${HEIGHT}Z`;
}

/** The seconds that have a value, in runs that are drawn as one line. */
function runsOf(values: ReadonlyMap<number, number>, end: number): number[][] {
  const runs: number[][] = [];
  const seconds = [...values.keys()].filter((second) => second >= end - SPAN_SECONDS && second <= end);
  for (const second of seconds.sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && second - (run.at(-1) ?? 0) <= MAX_GAP) run.push(second);
    else runs.push([second]);
  }
  return runs;
}

function gridLine(y: number): SVGElement {
  return path(`M0 ${y}H${WIDTH}`, 'grid');
}

function path(d: string, className: string): SVGElement {
  const element = svg('path');
  element.setAttribute('d', d);
  element.setAttribute('class', className);
  return element;
}

function svg(name: 'svg' | 'path'): SVGElement {
  return document.createElementNS(SVG, name);
}
