// The state of a job as a badge, and its progress as a bar.

import { html } from "../vendor/preact-htm-3.1.1.js";
import { clock, hasEnded, stateInWords, until } from "../words.js";

/** @param {{job: any}} props */
export function State({ job }) {
  const stopping = job.cancel_requested_at && !hasEnded(job.state);
  return html`<span class=${`state ${job.state}`}>${stopping ? "Stopping" : stateInWords(job.state)}</span>`;
}

/** @param {{job: any}} props */
export function Progress({ job }) {
  if (hasEnded(job.state) || job.state === "queued") return null;
  const { fraction, done_seconds: done, total_seconds: total } = job.progress;
  const label = total ? `${clock(done)} of ${clock(total)}` : "Starting";
  return html`<span class="progress">
    <progress max="1" value=${fraction === null ? undefined : fraction} aria-label="Progress"></progress>
    <span class="muted">${label}</span>
  </span>`;
}

/** The place of a job that waits, and when it will probably be done. @param {{job: any, now: number}} props */
export function Forecast({ job, now }) {
  if (!job.estimate || hasEnded(job.state) || job.cancel_requested_at) return null;
  const { position, ends_at: ends } = job.estimate;
  return html`<span class="forecast" title="Estimated from the work before it and the pace of the last recordings">
    ${position ? `Number ${position} of yours, ` : ""}done ${until(ends, now)}</span>`;
}
