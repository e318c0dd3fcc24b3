/** A JSON Schema (2020-12), as far as ours use it. */
export interface Schema {
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
}

/** Where a value differs from a schema, as `servers.0.calls: …`; empty when it is valid. */
export function violations(value: unknown, schema: Schema, at = ''): string[] {
  const { type, anyOf, properties = {}, required = [], additionalProperties, items } = schema;
  const found: string[] = [];
  if (type !== undefined && ![type].flat().includes(typeOf(value))) return [`${at}: ${typeOf(value)}, not ${type}`];
  if ('const' in schema && value !== schema.const) found.push(`${at}: not ${schema.const}`);
  if (schema.enum && !schema.enum.includes(value)) found.push(`${at}: none of ${schema.enum}`);
  if (anyOf && !anyOf.some((one) => violations(value, one, at).length === 0)) found.push(`${at}: none of the schemas`);
  if (Array.isArray(value) && items) found.push(...value.flatMap((item, i) => violations(item, items, `${at}.${i}`)));
  if (typeOf(value) === 'object') {
    const entries = new Map(Object.entries(value ?? {}));
    for (const name of required) if (!entries.has(name)) found.push(`${at}.${name} is missing`);
    for (const [name, entry] of entries) {
      const own = properties[name] ?? additionalProperties;
      if (own) found.push(...violations(entry, own, `${at}.${name}`));
    }
  }
  return found;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}
