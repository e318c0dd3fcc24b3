/**
 * Options of JavaScriptCore for a process that lives long. A flood makes garbage that survives the first collections,
 * because each request is in progress for a while.
 */
const OPTIONS = {
  // The heap doubles between full collections; on a machine with more than 16 GB it would triple.
  BUN_JSC_forceRAMSize: String(8 * 2 ** 30),
  // Share of new objects in the heap below which a collection includes the old ones; by default a third.
  BUN_JSC_minEdenToOldGenerationRatio: '0.6',
};

/**
 * Executes the compiled program again with these options, which the engine reads from the environment when it starts:
 * the same process with the same arguments, 10 ms later. Does nothing when one of them is set, or when it cannot be
 * executed again.
 */
export function setEngineOptions(): void {
  const isCompiled = Bun.main.startsWith('/$bunfs/');
  if (!isCompiled || Object.keys(OPTIONS).some((name) => name in process.env)) return;
  try {
    process.execve?.(process.execPath, [process.argv0, ...process.argv.slice(2)], { ...process.env, ...OPTIONS });
  } catch {
    // The options save memory, nothing else.
  }
}
