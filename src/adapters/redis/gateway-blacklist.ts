import type { Redis } from 'ioredis';
import type { GatewayBlacklist } from '../../ports/gateway-blacklist.ts';
import { ask } from './connection.ts';
import { keys } from './keys.ts';

export class RedisGatewayBlacklist implements GatewayBlacklist {
  constructor(private readonly redis: Redis) {}

  async add(gatewaySid: string, ttlSeconds: number): Promise<void> {
    await ask(() => this.redis.set(keys.blacklistedGateway(gatewaySid), '1', 'EX', ttlSeconds));
  }

  async remove(gatewaySid: string): Promise<void> {
    await ask(() => this.redis.del(keys.blacklistedGateway(gatewaySid)));
  }
}
