/** A process that measures, whose CPU is not that of what it measures: `part.ts <file with its plan>`. */
import { runCleanup } from '../../test/support/cleanup.ts';
import { type GrowthPlan, growth } from './growth.ts';
import { type ListPlan, list } from './list.ts';
import { type ReconciliationPlan, reconciliation } from './reconciliation.ts';

export type Plan = GrowthPlan | ReconciliationPlan | ListPlan;

if (import.meta.main) {
  const plan: Plan = await Bun.file(process.argv[2] ?? '').json();
  try {
    console.log(JSON.stringify(await reportOf(plan)));
  } finally {
    await runCleanup();
  }
}

function reportOf(plan: Plan): Promise<unknown> {
  if (plan.part === 'growth') return growth(plan);
  return plan.part === 'list' ? list(plan) : reconciliation(plan);
}
