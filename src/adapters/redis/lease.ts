import type { Redis } from 'ioredis';
import type { Lease } from '../../ports/lease.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';
import { textOf } from './replies.ts';
import { Script } from './script.ts';

/** KEYS lease. ARGV token, length in ms. Returns 1 when the token held the lease. */
const renew = new Script(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
`);

const release = new Script(`
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
`);

/** The lease as a key with a TTL, which earlier jambonz sidecars take and respect too. */
export class RedisLease implements Lease {
  readonly #key: string;

  constructor(
    private readonly redis: Redis,
    clusterId: string,
  ) {
    this.#key = keys.lease(clusterId);
  }

  async take(token: string, lengthMs: number): Promise<boolean> {
    return (await ask(() => this.redis.set(this.#key, token, 'PX', lengthMs, 'NX'))) === 'OK';
  }

  async renew(token: string, lengthMs: number): Promise<boolean> {
    return (await ask(() => renew.run(this.redis, [this.#key], [token, lengthMs]))) === 1;
  }

  async release(token: string): Promise<void> {
    await ask(() => release.run(this.redis, [this.#key], [token]));
  }

  async holder(): Promise<string | undefined> {
    return textOf(await ask(() => this.redis.get(this.#key)));
  }
}
