/**
 * Open loop: calls `begin` for the n-th time n / rate seconds from now, however slow the answers are, and passes it how
 * late it is in ms; resolves after `seconds`. Timers have a grain of 1 ms, so calls due within one come together.
 */
export function evenly(rate: number, seconds: number, begin: (lateMs: number) => void): Promise<void> {
  const began = performance.now();
  const planned = Math.round(rate * seconds);
  const dueAt = (n: number) => (n / rate) * 1000;
  let next = 0;
  return new Promise((resolve, reject) => {
    const step = () => {
      try {
        const now = performance.now() - began;
        for (; next < planned && dueAt(next) <= now; next++) begin(now - dueAt(next));
        const wait = (next < planned ? dueAt(next) : seconds * 1000) - (performance.now() - began);
        if (next === planned && wait <= 0) resolve();
        else setTimeout(step, Math.max(1, Math.floor(wait)));
      } catch (error) {
        reject(error);
      }
    };
    step();
  });
}
