import { readFileSync } from 'node:fs';

/** The user that this process runs as; `uid 1234` for one without a name, as in many containers. */
export function currentUser(): string {
  const uid = process.getuid?.() ?? -1;
  return userName(uid) ?? `uid ${uid}`;
}

/** The name of a user; undefined for one that /etc/passwd does not have. Bun's userInfo reads $USER instead. */
export function userName(uid: number): string | undefined {
  return accounts().find(([, , id]) => id === String(uid))?.[0];
}

function accounts(): string[][] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
  } catch {
    return []; // a container may have no such file, and the uid will do
  }
}
