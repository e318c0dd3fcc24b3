import { defineCommand } from 'citty';
import type { TrunkRow } from '../../admin/protocol.ts';
import { ago, until } from '../duration.ts';
import { type Field, fieldLines } from '../fields.ts';
import { addressOf, NOTHING } from '../outbound.ts';
import { askSidecar, JSON_FLAG, show } from '../sidecar.ts';
import { painter } from '../terminal.ts';
import { GATEWAY_SID } from './sid.ts';
import { lookOf } from './state.ts';

export default defineCommand({
  meta: { name: 'show', description: 'Show one registration in detail' },
  args: { gateway: { ...GATEWAY_SID, required: true }, ...JSON_FLAG },
  async run({ args }) {
    const answer = await askSidecar('trunk-show', { gateway: args.gateway });
    await show(args, answer, fieldLines(fields(answer.trunk, answer.now), await painter()));
  },
});

function fields(trunk: TrunkRow, now: number): readonly Field[] {
  return [
    ['Carrier', trunk.carrier],
    ['Carrier SID', trunk.carrierSid],
    ['Gateway', addressOf(trunk)],
    ['Gateway SID', trunk.gateway],
    ['Call-ID', trunk.gateway],
    ['CSeq', trunk.cseq === 0 ? NOTHING : String(trunk.cseq)],
    ['Realm', trunk.realm],
    ['Username', trunk.username],
    ['Trunk type', trunk.trunkType],
    ['State', trunk.state, lookOf(trunk).style],
    ['Since', ago(trunk.since, now, NOTHING)],
    ['Expires', until(trunk.expiresAt, now, NOTHING)],
    ['Last answer', trunk.lastReason ?? NOTHING],
    ['Next try', until(trunk.nextTryAt, now, NOTHING)],
    ['Failures', trunk.failures === 0 ? 'none' : `${trunk.failures} in a row`],
  ];
}
