/**
 * Open loop: calls `begin` for the n-th time n / rate seconds after now, however slow the answers are, with the ms it
 * comes late; resolves when `seconds` are over. The timer's grain is 1 ms, so what falls due within one comes together.
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
        // The window is as long as it was asked to be, also behind the last unit.
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
