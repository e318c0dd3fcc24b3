import type { Redis } from 'ioredis';
import { parseJson } from '../../lib/json.ts';
import type { TrunkContact, TrunkContacts } from '../../ports/trunk-contacts.ts';
import { ask } from './connection.ts';
import { clusterKeys } from './keys.ts';

export class RedisTrunkContacts implements TrunkContacts {
  readonly #key: string;

  constructor(
    private readonly redis: Redis,
    clusterId: string,
  ) {
    this.#key = clusterKeys(clusterId).trunkContacts;
  }

  async read(): Promise<ReadonlyMap<string, TrunkContact>> {
    const fields = await ask(() => this.redis.hgetall(this.#key));
    return new Map(
      Object.entries(fields).flatMap(([gatewaySid, json]) => {
        const contact = trunkContactOf(parseJson(json));
        return contact ? [[gatewaySid, contact] as const] : [];
      }),
    );
  }

  async save(gatewaySid: string, { contact, until, registrar }: TrunkContact): Promise<void> {
    await ask(() => this.redis.hset(this.#key, gatewaySid, JSON.stringify({ contact, until, registrar })));
  }

  async remove(gatewaySid: string): Promise<void> {
    await ask(() => this.redis.hdel(this.#key, gatewaySid));
  }
}

function trunkContactOf(value: unknown): TrunkContact | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!('contact' in value && 'until' in value && 'registrar' in value)) return undefined;
  const { contact, until, registrar } = value;
  if (typeof contact !== 'string' || typeof until !== 'number' || typeof registrar !== 'string') return undefined;
  return { contact, until, registrar };
}
