// News of the tenant's recordings as they happen: one stream for all parts of the page, and none while nobody looks.

const KINDS = ["ready", "state", "progress"];

/** @type {Map<() => void, string | undefined>} */
const listeners = new Map();
/** @type {EventSource | null} */
let stream = null;

/**
 * Have a function called when something happens.
 * @param {() => void} listener
 * @param {string} [job] only to this one
 * @returns {() => void} ends that
 */
export function onNews(listener, job) {
  listeners.set(listener, job);
  follow();
  return () => {
    listeners.delete(listener);
    follow();
  };
}

/** Whether all news come by themselves; a stream that was refused is tried again. */
export function isLive() {
  follow();
  return stream?.readyState === EventSource.OPEN;
}

function follow() {
  // a browser opens few connections to one place, and all its windows share them
  if (!listeners.size || document.hidden) {
    stream?.close();
    stream = null;
  } else if (!stream || stream.readyState === EventSource.CLOSED) {
    stream = new EventSource("api/v1/events");
    for (const kind of KINDS) stream.addEventListener(kind, tell);
  }
}

/** @param {MessageEvent} event */
function tell(event) {
  const { job_id: job } = JSON.parse(event.data);
  for (const [listener, wanted] of listeners) if (!job || !wanted || job === wanted) listener();
}

document.addEventListener("visibilitychange", follow);
