import * as v from 'valibot';
import { readConfig } from '../../src/config/index.ts';

export const ROOT = new URL('../../', import.meta.url);

/** Reads a YAML file of the project; one of several documents is an array. @param path from the root of the project */
export async function readYaml<T extends v.GenericSchema>(path: string, schema: T): Promise<v.InferOutput<T>> {
  return v.parse(schema, Bun.YAML.parse(await textOf(path)));
}

export function textOf(path: string): Promise<string> {
  return Bun.file(new URL(path, ROOT)).text();
}

/** What is wrong or odd about an environment for `serve`. @throws ConfigError when it is not valid */
export function warningsOf(env: Readonly<Record<string, string>>): readonly string[] {
  return readConfig(env).warnings;
}
