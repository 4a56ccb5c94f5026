// Loading again: at once when something has happened, else now and then, and not while nobody looks.

import { isLive, onNews } from "./news.js";

const SLOWEST = 30_000;
const LIVE_MS = 5000; // between two looks while news come by themselves
const GATHER_MS = 150; // news that come together are one

/**
 * Load now and again until stopped.
 * @param {(signal: AbortSignal) => Promise<number>} load says in how many milliseconds it wants to be called again
 * @param {(error: Error | null) => void} told of each failure, and with null when it is over
 * @param {{job?: string, withoutNews?: boolean}} [about] the job that it is about; whether news say nothing of it
 * @returns {{stop: () => void, now: () => void}}
 */
export function keepLoading(load, told, { job, withoutNews } = {}) {
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
      const pause = withoutNews || failures || !isLive() ? wait : Math.max(wait, LIVE_MS);
      timer = setTimeout(turn, pause);
    }
  }

  let gathering = 0;
  const forget = withoutNews
    ? () => {}
    : onNews(() => {
        clearTimeout(gathering);
        gathering = setTimeout(turn, GATHER_MS);
      }, job);
  const seen = () => (document.hidden ? clearTimeout(timer) : turn());
  document.addEventListener("visibilitychange", seen);
  turn();
  return {
    now: turn,
    stop() {
      ending.abort();
      forget();
      clearTimeout(timer);
      clearTimeout(gathering);
      document.removeEventListener("visibilitychange", seen);
    },
  };
}
