import { defineCommand } from 'citty';
import type { VariableRow } from '../admin/protocol.ts';
import { NOTHING } from './outbound.ts';
import { askSidecar, JSON_FLAG, show } from './sidecar.ts';
import { type Column, table } from './table.ts';
import { painter } from './terminal.ts';

const FROM: Readonly<Record<VariableRow['from'], string>> = {
  flag: 'command line',
  environment: 'environment',
  default: 'default',
  file: 'file',
  set: 'log level',
};

const COLUMNS: readonly Column<VariableRow>[] = [
  { head: 'VARIABLE', cell: ({ name }) => name },
  { head: 'FROM', cell: ({ from }) => FROM[from] },
  { head: 'VALUE', cell: ({ value }) => (value === '' ? NOTHING : value), min: 20 },
];

export default defineCommand({
  meta: {
    name: 'config',
    description: 'Show the configuration of the running sidecar, and where each value came from',
  },
  args: {
    changed: { type: 'boolean', description: 'Only what is not a default' },
    ...JSON_FLAG,
  },
  async run({ args }) {
    const answer = await askSidecar('config', {});
    const variables = answer.variables.filter(({ from }) => !args.changed || from !== 'default');
    const text = variables.length > 0 ? table(variables, COLUMNS, await painter()) : 'All values are defaults';
    await show(args, { ...answer, variables }, text);
  },
});
