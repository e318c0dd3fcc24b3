const POLL_MS = 15;

/**
 * Asks again and again until the answer is one; for what tells nobody when it changes.
 * @param probe returns what was waited for, or undefined while it is not so
 * @throws when it is not so within `deadlineMs`, with the last thing that `describe` saw
 */
export async function eventually<T>(
  what: string,
  probe: () => Promise<T | undefined> | T | undefined,
  { deadlineMs = 20_000, describe }: { deadlineMs?: number; describe?: () => unknown } = {},
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (;;) {
    const found = await probe();
    if (found !== undefined) return found;
    if (performance.now() > deadline) {
      const seen = describe ? `; last seen: ${JSON.stringify(describe())}` : '';
      throw new Error(`${what}: not within ${deadlineMs} ms${seen}`);
    }
    await Bun.sleep(POLL_MS);
  }
}
