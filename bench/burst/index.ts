/** What a sidecar loses of a burst: phones that all register in one instant, after a power cut for example. */
import { binaryFlag, jsonFlag, runBenchmark } from '../lib/command.ts';
import type { Flags } from '../lib/flags.ts';
import { machine } from '../lib/proc.ts';
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

async function run({ binary, phones, runs, wait, busy, json }: Settings): Promise<void> {
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
  if (bursts.some((burst) => burst.answered < phones)) process.exitCode = 1;

  const complaints = sidecar.complaints();
  if (json) {
    console.log(JSON.stringify({ machine: machine(), phones, busy, bursts, complaints }, null, 2));
    return;
  }
  console.log(`${machine()}\n${phones} REGISTERs at once${busy ? ', the sidecar stopped meanwhile' : ''}\n`);
  for (const burst of bursts)
    console.log(`answered ${burst.answered}, lost ${phones - burst.answered}, ${burst.ms} ms`);
  for (const line of complaints) console.log(line);
}

function register(port: number, id: string): string {
  const aor = `<sip:user1@${REALM}>`;
  return (
    `REGISTER sip:${REALM} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:${port};branch=z9hG4bK${id};rport\r\nMax-Forwards: 70\r\n` +
    `From: ${aor};tag=${id}\r\nTo: ${aor}\r\nCall-ID: ${id}\r\nCSeq: 1 REGISTER\r\n` +
    `Contact: <sip:user1@127.0.0.1:${port}>\r\nExpires: 3600\r\nUser-Agent: burst-bench\r\nContent-Length: 0\r\n\r\n`
  );
}
