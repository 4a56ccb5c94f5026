// All uploads of this visit: they go on whatever view is shown, two at a time, and each can be sent again.

import { upload } from "./upload.js";

const AT_ONCE = 2;

/**
 * One file on its way; `key` stays the same for each attempt.
 * @typedef {{file: File, options: Record<string, unknown>, key: string, state: "waiting" | "sending" | "failed",
 *   share: number, error: Error | null, ending: AbortController}} Upload
 */

/** @type {Upload[]} */
let all = [];
/** @type {Set<(all: Upload[]) => void>} */
const watchers = new Set();
/** @type {Set<(file: File) => void>} */
const arrivals = new Set();

const changed = () => watchers.forEach((watcher) => watcher([...all]));

/** @param {(all: Upload[]) => void} watcher */
export function watchUploads(watcher) {
  watchers.add(watcher);
  watcher([...all]);
  return () => watchers.delete(watcher);
}

/** @param {(file: File) => void} listener called when a file has arrived */
export function onArrival(listener) {
  arrivals.add(listener);
  return () => arrivals.delete(listener);
}

/**
 * @param {File} file
 * @param {Record<string, unknown>} options
 * @param {string} key
 */
export function addUpload(file, options, key) {
  all.push({ file, options, key, state: "waiting", share: 0, error: null, ending: new AbortController() });
  go();
}

/** @param {Upload} item */
export function sendAgain(item) {
  Object.assign(item, { state: "waiting", share: 0, error: null, ending: new AbortController() });
  go();
}

/** @param {Upload} item */
export function leave(item) {
  item.ending.abort();
  all = all.filter((other) => other !== item);
  go();
}

/** Cancel all of them, as at a logout. */
export function leaveAll() {
  all.forEach((item) => item.ending.abort());
  all = [];
  changed();
}

function go() {
  const free = AT_ONCE - all.filter((item) => item.state === "sending").length;
  all.filter((item) => item.state === "waiting").slice(0, Math.max(0, free)).forEach(start);
  changed();
}

/** @param {Upload} item */
async function start(item) {
  item.state = "sending";
  const fields = Object.fromEntries(Object.entries(item.options).map(([name, value]) => [name, String(value)]));
  const progress = (sent, total) => {
    item.share = total ? sent / total : 0;
    changed();
  };
  try {
    await upload(item.file, fields, item.key, progress, item.ending.signal);
    all = all.filter((other) => other !== item);
    arrivals.forEach((listener) => listener(item.file));
  } catch (problem) {
    if (item.ending.signal.aborted) return;
    Object.assign(item, { state: "failed", error: problem });
  }
  go();
}

addEventListener("beforeunload", (event) => {
  if (all.some((item) => item.state !== "failed")) event.preventDefault();
});
