// Values in words: states, times, durations, sizes, languages.

const STATES = {
  queued: "Waiting",
  transcribing: "Transcribing",
  diarizing: "Finding speakers",
  completed: "Done",
  failed: "Failed",
  cancelled: "Stopped",
};
export const STATE_NAMES = Object.keys(STATES);
const ENDED = new Set(["completed", "failed", "cancelled"]);

/** @param {string} state */
export const stateInWords = (state) => STATES[state] || state;

/** @param {string} state */
export const hasEnded = (state) => ENDED.has(state);

/**
 * Seconds as a clock shows them, such as 1:02:03.
 * @param {number | null | undefined} seconds
 */
export function clock(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.floor(seconds));
  const two = (/** @type {number} */ value) => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const dates = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/**
 * How long ago a time was.
 * @param {string} time
 * @param {number} now
 */
export function age(time, now) {
  const seconds = (now - Date.parse(time)) / 1000;
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return relative.format(-Math.floor(seconds / length), unit);
  }
  return seconds < 5 ? "just now" : `${Math.floor(seconds)} seconds ago`;
}

/**
 * How long it is until a time, about.
 * @param {string} time
 * @param {number} now
 */
export function until(time, now) {
  const seconds = (Date.parse(time) - now) / 1000;
  for (const [unit, length] of UNITS) {
    if (seconds >= length) return `in about ${counted(Math.round(seconds / length), unit)}`;
  }
  return seconds > 0 ? "in less than a minute" : "any moment";
}

/** @param {string | null} time */
export const date = (time) => (time ? dates.format(new Date(time)) : "");

const names = new Intl.DisplayNames("en", { type: "language", fallback: "code" });

/** @param {string | null | undefined} code */
export function languageInWords(code) {
  if (!code) return "";
  try {
    return names.of(code) || code;
  } catch {
    return code;
  }
}

/** @param {number} bytes */
export function size(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  const steps = ["KB", "MB", "GB", "TB"];
  let value = bytes;
  let step = -1;
  while (value >= 1000 && step < steps.length - 1) {
    value /= 1000;
    step += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${steps[step]}`;
}

/**
 * A speaker's label for people: SPEAKER_00 is Speaker 1.
 * @param {string | null} label
 */
export function speakerInWords(label) {
  const found = /^SPEAKER_(\d+)$/.exec(label || "");
  return found ? `Speaker ${Number(found[1]) + 1}` : label || "";
}

/** The label that words such as "Speaker 1" stand for; a name stays. @param {string} words */
export function speakerFromWords(words) {
  const found = /^\s*speaker\s+([1-9]\d*)\s*$/i.exec(words);
  return found ? `SPEAKER_${String(Number(found[1]) - 1).padStart(2, "0")}` : words;
}

/** What a job is called. @param {{name: string | null, recording_id: string | null, job_id: string}} job */
export const nameOf = (job) => job.name || job.recording_id || `Recording ${job.job_id.slice(0, 8)}`;

/**
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
export const counted = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
