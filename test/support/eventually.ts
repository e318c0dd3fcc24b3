const POLL_MS = 15;

/**
 * Polls, for state without an event to wait for.
 * @param probe returns undefined until the condition holds
 * @throws after `deadlineMs`, with what `describe` returns then
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
