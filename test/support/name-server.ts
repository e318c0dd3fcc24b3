/** A name server as a process of its own, which may run as root: `bun name-server.ts ADDRESS ZONE`, at port 53, ZONE in JSON. */
import { DnsServer } from './dns-server.ts';

const [address = '', zone = '{}'] = process.argv.slice(2);
await DnsServer.start(JSON.parse(zone), { address, port: 53 });
console.log('listening');
