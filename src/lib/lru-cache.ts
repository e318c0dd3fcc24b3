import { LRUCache } from 'lru-cache';

/**
 * Remembers `max` values by name; beyond that the one used longest ago is forgotten. Memory grows with the entries:
 * lru-cache given `max` itself reserves 28 bytes for each at the start, 13 MB in all caches of a sidecar.
 */
export class LruCache<V extends {}> extends LRUCache<string, V> {
  constructor(max: number) {
    super({ maxSize: max, sizeCalculation: () => 1 });
  }
}
