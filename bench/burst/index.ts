/** What a sidecar loses of a burst: phones that all register in one instant, after a power cut for example. */
import { binaryFlag, jsonFlag, type Report, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { contactLines, requestText } from '../lib/request.ts';
import { portOf } from '../lib/server.ts';
import { REALM, startSidecar } from '../lib/sidecar.ts';

interface Burst {
  readonly answered: number;
  /** From the first datagram sent to the last answer, or to the end of the wait. */
  readonly ms: number;
}

void runBenchmark({
  about: `Sends one REGISTER from each of many UDP sockets at once, and none again, to the compiled sidecar with --embedded.

  bun bench/burst/index.ts [--phones 2000] [--busy] [--smoke]`,
  failsWhen: 'a REGISTER is not answered',
  settings,
  run,
});

function settings(flags: Flags) {
  return {
    binary: binaryFlag(flags),
    phones: flags.whole('phones', { help: 'sockets, one REGISTER each', default: 2000, smoke: 100, max: 20_000 }),
    runs: flags.whole('runs', { help: 'bursts', default: 5, smoke: 1, max: 1000 }),
    wait: flags.number('wait', { value: 's', help: 'for answers', default: 5, smoke: 2, max: 60 }),
    busy: flags.toggle(
      'busy',
      'stop the sidecar (SIGSTOP) while the burst arrives, so that the kernel has to keep all of it',
    ),
    json: jsonFlag(flags),
    smoke: flags.toggle('smoke', 'one burst of 100 phones'),
  };
}

type Settings = ReturnType<typeof settings>;

async function run({ binary, phones, runs, wait, busy }: Settings): Promise<Report> {
  const sidecar = await startSidecar(binary, { listen: ['udp'], users: 1, env: { JAMBONES_LOGLEVEL: 'warn' } });
  const port = portOf(sidecar, 'udp');
  let answered = 0;
  let done = Promise.withResolvers<void>();
  const data = () => {
    if (++answered === phones) done.resolve();
  };
  const sockets: Bun.udp.ConnectedSocket<'buffer'>[] = [];
  for (let i = 0; i < phones; i++)
    sockets.push(await Bun.udpSocket({ connect: { hostname: '127.0.0.1', port }, socket: { data } }));

  const bursts: Burst[] = [];
  for (let n = 0; n < runs; n++) {
    answered = 0;
    done = Promise.withResolvers();
    const texts = sockets.map((socket, i) => register(socket.port, `${n}-${i}`));
    if (busy) process.kill(sidecar.pid, 'SIGSTOP');
    const began = performance.now();
    for (const [i, socket] of sockets.entries()) socket.send(texts[i] ?? '');
    if (busy) process.kill(sidecar.pid, 'SIGCONT');
    await Promise.race([done.promise, Bun.sleep(wait * 1000)]);
    bursts.push({ answered, ms: Math.round(performance.now() - began) });
  }
  for (const socket of sockets) socket.close();
  await sidecar.stop();
  const complaints = sidecar.complaints();
  const lost = phones * runs - bursts.reduce((sum, burst) => sum + burst.answered, 0);
  return {
    figures: { phones, busy, bursts, complaints },
    text: [
      `${phones} REGISTERs at once${busy ? ', the sidecar stopped meanwhile' : ''}\n`,
      ...bursts.map(({ answered, ms }) => `answered ${answered}, lost ${phones - answered}, ${ms} ms`),
      ...complaints,
    ].join('\n'),
    faults: lost > 0 ? [`${lost} REGISTERs were not answered`] : [],
  };
}

function register(port: number, id: string): string {
  return requestText({
    method: 'REGISTER',
    realm: REALM,
    aor: `<sip:user1@${REALM}>`,
    tag: id,
    via: `UDP 127.0.0.1:${port}`,
    branch: id,
    callId: id,
    cseq: 1,
    more: contactLines(`sip:user1@127.0.0.1:${port}`),
  });
}
