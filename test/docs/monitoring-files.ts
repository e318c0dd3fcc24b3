import * as v from 'valibot';

const FOLDER = new URL('../../docs/monitoring/', import.meta.url);

const dashboard = v.object({
  __inputs: v.array(v.object({ name: v.string(), type: v.string(), pluginId: v.string() })),
  schemaVersion: v.number(),
  annotations: v.object({ list: v.array(v.object({ name: v.string(), expr: v.string() })) }),
  templating: v.object({
    list: v.array(
      v.object({ name: v.string(), type: v.string(), query: v.unknown(), definition: v.optional(v.string()) }),
    ),
  }),
  panels: v.array(
    v.object({
      id: v.number(),
      type: v.string(),
      title: v.string(),
      description: v.optional(v.string()),
      gridPos: v.object({ h: v.number(), w: v.number(), x: v.number(), y: v.number() }),
      targets: v.optional(v.array(v.object({ expr: v.string(), legendFormat: v.string() })), []),
    }),
  ),
});

const rules = v.object({
  groups: v.array(
    v.object({
      rules: v.array(
        v.object({
          alert: v.string(),
          expr: v.string(),
          labels: v.object({ severity: v.picklist(['critical', 'warning']) }),
          annotations: v.object({ summary: v.string() }),
        }),
      ),
    }),
  ),
});

export type Dashboard = v.InferOutput<typeof dashboard>;

/** The absolute path of a file of docs/monitoring. */
export function pathOf(name: string): string {
  return new URL(name, FOLDER).pathname;
}

export function textOf(name: string): Promise<string> {
  return Bun.file(pathOf(name)).text();
}

export async function readDashboard(): Promise<Dashboard> {
  return v.parse(dashboard, JSON.parse(await textOf('dashboard.json')));
}

export async function readAlerts() {
  return v.parse(rules, Bun.YAML.parse(await textOf('alerts.yml'))).groups.flatMap((group) => group.rules);
}

export interface Query {
  /** The panel or the alert that asks it. */
  readonly by: string;
  readonly expr: string;
  /** Text with the labels that are shown, `{{instance}}`. */
  readonly text: string;
}

export async function queriesOfDashboard(): Promise<Query[]> {
  const { panels, annotations } = await readDashboard();
  return [
    ...panels.flatMap(({ title, targets }) =>
      targets.map(({ expr, legendFormat }) => ({ by: title, expr, text: legendFormat })),
    ),
    ...annotations.list.map(({ name, expr }) => ({ by: name, expr, text: '' })),
  ];
}

export async function queriesOfAlerts(): Promise<Query[]> {
  return (await readAlerts()).map(({ alert, expr, annotations }) => ({ by: alert, expr, text: annotations.summary }));
}
