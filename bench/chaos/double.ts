/** The drachtio server of the tests in a process of its own. */
import { DrachtioDouble } from '../../test/support/drachtio/index.ts';
import { readFlags } from '../lib/flags.ts';

const { controlPort, port, secret } = readFlags(process.argv.slice(2), (flags) => ({
  controlPort: flags.whole('control-port', { help: 'of the control protocol', default: 9022, max: 65_535 }),
  port: flags.whole('port', { help: 'of SIP', default: 5060, max: 65_535 }),
  secret: flags.text('secret', { help: 'of the control protocol', default: 'cymru' }),
}));
const ignore = () => {};
const listen = (['udp', 'tcp'] as const).map((proto) => ({ proto, host: '127.0.0.1', port }));
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
await DrachtioDouble.start({ listen, secret, controlPort, logger });
console.log('listening');
