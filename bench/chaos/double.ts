/** The drachtio server of the tests in a process of its own: `double.ts <control port> <SIP port> <secret>`. */
import { DrachtioDouble } from '../../test/support/drachtio/index.ts';

const [controlPort, port, secret = ''] = process.argv.slice(2);
const ignore = () => {};
const listen = (['udp', 'tcp'] as const).map((proto) => ({ proto, host: '127.0.0.1', port: Number(port) }));
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
await DrachtioDouble.start({ listen, secret, controlPort: Number(controlPort), logger });
console.log('listening');
