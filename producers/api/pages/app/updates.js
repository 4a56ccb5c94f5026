// The source of news: asks again and again, quicker while something is going on, and not while nobody looks.

const SLOWEST = 30_000;

/**
 * Load now and again until stopped.
 * @param {(signal: AbortSignal) => Promise<number>} load says in how many milliseconds it wants to be called again
 * @param {(error: Error | null) => void} told of each failure, and with null when it is over
 * @returns {{stop: () => void, now: () => void}}
 */
export function keepLoading(load, told) {
  const ending = new AbortController();
  let timer = 0;
  let failures = 0;
  let running = false;
  let again = false;

  async function turn() {
    clearTimeout(timer);
    if (running) {
      again = true;
      return;
    }
    running = true;
    let wait = 0;
    try {
      wait = await load(ending.signal);
      failures = 0;
      told(null);
    } catch (error) {
      if (ending.signal.aborted) return;
      failures += 1;
      wait = Math.min(SLOWEST, 2000 * 2 ** (failures - 1));
      told(error);
    } finally {
      running = false;
    }
    if (ending.signal.aborted) return;
    if (again) {
      again = false;
      turn();
    } else if (!document.hidden) {
      timer = setTimeout(turn, wait);
    }
  }

  const seen = () => (document.hidden ? clearTimeout(timer) : turn());
  document.addEventListener("visibilitychange", seen);
  turn();
  return {
    now: turn,
    stop() {
      ending.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}
