/**
 * Options of JavaScriptCore (bench/fuzz/README.md). A request in progress survives a collection of new objects, so a flood
 * makes garbage that only a full collection frees: they let it begin earlier.
 */
const OPTIONS = {
  // The heap doubles between full collections; on a machine with more than 16 GB it would triple.
  BUN_JSC_forceRAMSize: String(8 * 2 ** 30),
  // The next collection is a full one when new objects get less than this share of the heap; by default a third.
  BUN_JSC_minEdenToOldGenerationRatio: '0.42',
};

/**
 * Executes the compiled program again with these options, which the engine reads from the environment when it starts:
 * the same process with the same arguments, 10 ms later. Does nothing when one of them is set.
 * @returns why it cannot be executed again: then it runs without them, and takes more memory in a flood
 */
export function setEngineOptions(): string | undefined {
  const isCompiled = Bun.main.startsWith('/$bunfs/');
  if (!isCompiled || Object.keys(OPTIONS).some((name) => name in process.env)) return undefined;
  try {
    process.execve?.(process.execPath, [process.argv0, ...process.argv.slice(2)], { ...process.env, ...OPTIONS });
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
