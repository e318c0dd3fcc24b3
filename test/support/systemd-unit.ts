/** What a systemd unit says of the process that it starts. */
export interface Unit {
  /** The values of each setting of any section, in order. */
  values(name: string): string[];
  /** The last value of a setting. @throws when there is none */
  value(name: string): string;
}

export function readUnit(text: string): Unit {
  const settings = [...text.matchAll(/^(\w+)=(.*)$/gm)];
  const values = (name: string) => settings.filter(([, key]) => key === name).map(([, , value = '']) => value);
  return {
    values,
    value(name) {
      const last = values(name).at(-1);
      if (last === undefined) throw new Error(`the unit has no ${name}`);
      return last;
    },
  };
}

/** The variables of an EnvironmentFile (systemd.exec(5)), or of `Environment=` lines, as `NAME=value`. Quotes are not used. */
export function variablesIn(text: string): string[] {
  return text.split('\n').filter((line) => /^\w+=/.test(line));
}
