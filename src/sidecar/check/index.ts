import type { Config } from '../../config/index.ts';
import { checkCertificates } from './certificates.ts';
import { checkDependencies } from './dependencies.ts';
import { checkAdminSocket, checkData, checkProvisioning } from './files.ts';
import type { Finding } from './finding.ts';
import { checkHttp, checkListeners } from './listeners.ts';

/**
 * Looks for what would stop `serve` or make it useless, without disturbing a sidecar that runs. The variables
 * themselves were checked when Config was read.
 */
export async function check(config: Config): Promise<Finding[]> {
  const dependencies = checkDependencies(config);
  const { running, findings } = await checkAdminSocket(config.platform.socketPath);
  const data = checkData(config);
  return [
    ...config.warnings.map((text): Finding => ({ verdict: 'warning', text })),
    ...findings,
    ...checkCertificates(config, Date.now()),
    ...checkProvisioning(config),
    ...data.findings,
    ...(await checkListeners(config, running || data.inUse)),
    ...(await checkHttp(config, running || data.inUse)),
    ...(await dependencies),
  ];
}
