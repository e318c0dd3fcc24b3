import { defineCommand } from 'citty';
import { type AdminClientOptions, requestOnce } from '../../admin/client.ts';
import { AdminError } from '../../admin/errors.ts';
import { printable } from '../../lib/text.ts';
import { duration } from '../duration.ts';
import { callsLeft } from '../fs/progress.ts';
import { ipOf } from '../fs/server.ts';
import { print } from '../output.ts';
import { socketPath } from '../sidecar.ts';
import type { Kind } from './offers.ts';

/** A person is waiting at a prompt. */
const TIMEOUT_MS = 1000;
const MAX_OFFERED = 200;

/** A value and what it is. */
type Offer = readonly [value: string, description: string];

const FINDERS: { readonly [K in Kind]: () => Promise<Offer[]> } = {
  async active() {
    const { servers } = await requestOnce('fs-list', {}, sidecar());
    const active = servers.filter(({ status }) => status === 'active');
    return active.map(({ server, calls }) => [ipOf(server), callsLeft(calls)]);
  },
  async drained() {
    const { drained } = await requestOnce('fs-drained', {}, sidecar());
    return drained.map((ip) => [ip, 'drained']);
  },
  async trunk() {
    const { trunks } = await requestOnce('trunk-list', {}, sidecar());
    return trunks.map(({ gateway, carrier }) => [gateway, carrier]);
  },
  async banned() {
    const { bans, now } = await requestOnce('ban-list', {}, sidecar());
    return bans.map(({ source, until }) => [source, `${duration(until - now)} left`]);
  },
};

/** Prints a value and its description a line, with a tab between; nothing, and no error, when the sidecar cannot be asked. */
export default defineCommand({
  meta: { name: '__complete', hidden: true, description: 'Print the values that complete a word, for a shell' },
  args: {
    kind: { type: 'positional', required: true, description: 'what the word names' },
    word: { type: 'positional', required: false, description: 'the beginning of the word' },
  },
  async run({ args: { kind, word = '' } }) {
    if (!isKind(kind)) return;
    try {
      const found = new Map((await FINDERS[kind]()).filter(([value]) => value.startsWith(word)));
      const lines = [...found].slice(0, MAX_OFFERED).map((offer) => offer.map(printable).join('\t'));
      if (lines.length > 0) await print(lines.join('\n'));
    } catch (error) {
      if (!(error instanceof AdminError)) throw error;
    }
  },
});

function sidecar(): AdminClientOptions {
  return { socketPath: socketPath(), timeoutMs: TIMEOUT_MS };
}

function isKind(text: string): text is Kind {
  return Object.hasOwn(FINDERS, text);
}
