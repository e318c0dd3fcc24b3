import { describe, expect, test } from 'bun:test';
import { spawnProcess } from '../support/process.ts';
import { pathOf, readAlerts, readDashboard, textOf } from './monitoring-files.ts';

async function promtool(...args: string[]) {
  const tool = spawnProcess('promtool', args);
  const { code } = await tool.exited;
  return { code, output: tool.lines.join('\n') };
}

describe('the alerts', () => {
  const COMMANDS: [string, string, string][] = [
    ['check', 'rules', pathOf('alerts.yml')],
    ['test', 'rules', pathOf('alerts.test.yml')],
    ['check', 'config', pathOf('prometheus.yml')],
  ];
  test.each(COMMANDS)('promtool %s %s', async (what, kind, path) => {
    const { code, output } = await promtool(what, kind, path);
    expect(output).not.toContain('FAILED');
    expect(code).toBe(0);
  });

  test('are each tested to begin, and explained on the page', async () => {
    const tests = await textOf('alerts.test.yml');
    const page = await textOf('README.md');
    for (const { alert } of await readAlerts()) {
      expect(tests).toMatch(new RegExp(`alertname: ${alert}\\n +exp_alerts:`));
      expect(page).toMatch(new RegExp(`^\\| \`${alert}\` \\|`, 'm'));
    }
  });

  test('on the page are all there are', async () => {
    const alerts = (await readAlerts()).map(({ alert }) => alert);
    const explained = [...(await textOf('README.md')).matchAll(/^\| `([A-Z][A-Za-z]+)` \|/gm)].map(([, name]) => name);
    expect(explained.toSorted()).toEqual(alerts.toSorted());
  });
});

describe('the dashboard', () => {
  test('asks for its data source at the import, and uses no other', async () => {
    const { __inputs, templating } = await readDashboard();
    expect(__inputs).toMatchObject([{ name: 'DS_PROMETHEUS', type: 'datasource', pluginId: 'prometheus' }]);
    // For Grafana's provisioning, which does not ask, a variable of that name stands in.
    expect(templating.list[0]).toMatchObject({ name: 'DS_PROMETHEUS', type: 'datasource', query: 'prometheus' });
    const sources = [...(await textOf('dashboard.json')).matchAll(/"uid": "([^"]*)"/g)].map(([, uid]) => uid);
    expect(new Set(sources)).toEqual(new Set([`\${DS_PROMETHEUS}`, 'sbc-sip-sidecar']));
  });

  test('has a description of each panel, and no two in one place', async () => {
    const { panels } = await readDashboard();
    expect(panels.filter(({ type, description }) => type !== 'row' && !description)).toEqual([]);
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const taken = new Set<string>();
    for (const { gridPos, title } of panels)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect([title, x < 24, taken.has(`${x},${y}`)]).toEqual([title, true, false]);
          taken.add(`${x},${y}`);
        }
  });

  test('has a unit for each query of seconds or bytes', async () => {
    const panels: { title: string; targets?: { expr: string }[]; fieldConfig?: { defaults: { unit: string } } }[] =
      JSON.parse(await textOf('dashboard.json')).panels;
    for (const { title, targets = [], fieldConfig } of panels) {
      const unit = fieldConfig?.defaults.unit;
      for (const { expr } of targets) {
        if (/_bytes\b/.test(expr)) expect([title, unit]).toEqual([title, 'bytes']);
        if (/_seconds(_bucket)?\b/.test(expr)) expect([title, unit]).toEqual([title, 's']);
      }
    }
  });
});
