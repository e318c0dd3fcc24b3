import { afterEach } from 'bun:test';

/** What the tests of the calling file open, disposed of after each of them. */
export function disposedAfterEach(): Pick<AsyncDisposableStack, 'adopt' | 'use' | 'defer'> {
  let stack = new AsyncDisposableStack();
  afterEach(async () => {
    const used = stack;
    stack = new AsyncDisposableStack();
    await used.disposeAsync();
  });
  return {
    adopt: (value, dispose) => stack.adopt(value, dispose),
    use: (value) => stack.use(value),
    defer: (dispose) => stack.defer(dispose),
  };
}
