/** Whether an error is one of our own code, such as a call of undefined, which no dependency can cause. */
export function isOwnFault(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError;
}
