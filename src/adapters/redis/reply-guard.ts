import imported from 'ioredis/built/DataHandler.js';

/**
 * Makes ioredis close the connection at a reply that it cannot handle, such as one more than it has asked for. Without
 * this it throws the error where nothing can catch it, and a faulty proxy would end the process.
 */
export function guardReplies(): void {
  Object.defineProperty(dataHandler(imported).prototype, 'dispatch', { value: dispatch, configurable: true });
}

function dispatch(this: { returnFatalError(error: Error): void }, handleReply: () => void): void {
  try {
    handleReply();
  } catch (error) {
    this.returnFatalError(new Error('unexpected reply of Redis', { cause: error }));
  }
}

/** A compiled binary imports the CommonJS module itself in place of its default export. */
function dataHandler(module: object): { readonly prototype: object } {
  const found = 'default' in module ? module.default : module;
  if (typeof found !== 'function') throw new Error('this version of ioredis has no DataHandler');
  return found;
}
