import type { Config } from '../config/index.ts';
import { Edge } from '../edge/index.ts';
import { Dependency } from '../lib/dependency.ts';
import type { Logger } from '../lib/logger.ts';
import { systemTimers } from '../lib/timers.ts';
import { Unavailable } from '../ports/errors.ts';
import type { SipServer } from '../ports/sip-server.ts';
import { isLoopback } from '../sip/ip.ts';

/** The embedded SIP server. @throws CertificateError */
export function createEdge({ embedded, platform }: Config, logger: Logger): Edge {
  const { sip, sharePorts, externalIp, tlsCerts, tlsKeys, tlsVerify, connectionsPerSource } = embedded;
  const [first, ...others] = tlsCerts.map((certFile, i) => ({ certFile, keyFile: tlsKeys[i] ?? '' }));
  return new Edge({
    listen: sip,
    sharePorts,
    logger,
    networks: platform.networks,
    limits: {
      perSource: connectionsPerSource,
      // Proxies and load balancers of the platform carry many phones.
      exempt: (address) => isLoopback(address) || platform.networks.some((n) => n.contains(address)),
    },
    ...(externalIp && { externalIp }),
    ...(first && { tls: { certificates: [first, ...others], verify: tlsVerify } }),
  });
}

export function sipDependency({ parts, drachtio }: Config, sip: SipServer, logger: Logger): Dependency {
  const isEdge = parts.sip === 'edge';
  const dependency = new Dependency({
    name: isEdge ? 'embedded edge' : 'drachtio',
    address: isEdge ? 'in this process' : `${drachtio.host}:${drachtio.port}`,
    affects: 'phones get no answer, registrations at carriers stop',
    async probe() {
      if (!sip.connected) throw new Unavailable('drachtio', 'not connected');
    },
    timers: systemTimers,
    logger,
  });
  sip.onConnected(() => dependency.answered());
  sip.onDisconnected(() => dependency.probeNow('connection closed'));
  return dependency;
}

/** Loads drachtio-srf only where it is used. */
export async function createDrachtioServer({ drachtio, platform }: Config, logger: Logger): Promise<SipServer> {
  const { DrachtioServer } = await import('../adapters/drachtio/server.ts');
  return new DrachtioServer({ ...drachtio, networks: platform.networks, logger });
}
