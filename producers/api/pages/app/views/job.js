// One recording: its state and why it waits, what was said, summaries, webhooks, history; stop and delete.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, send } from "../api.js";
import { keepLoading } from "../updates.js";
import { age, clock, counted, date, hasEnded, languageInWords, nameOf, stateInWords } from "../words.js";
import { announce } from "../parts/announcer.js";
import { Confirm } from "../parts/confirm.js";
import { Failure } from "../parts/failure.js";
import { Heading } from "../parts/heading.js";
import { Forecast, Progress, State } from "../parts/state.js";
import { Deliveries } from "../parts/deliveries.js";
import { Details } from "../parts/details.js";
import { Enhancements } from "../parts/enhancements.js";
import { Transcript } from "../parts/transcript.js";

const BUSY_MS = 1000;
const CALM_MS = 10_000;

/** @param {{id: string, at: string | null, session: any}} props */
export function Job({ id, at, session }) {
  const [job, setJob] = useState(/** @type {any} */ (null));
  const [waiting, setWaiting] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [question, setQuestion] = useState("");
  const [typing, setTyping] = useState(false); // in its transcript, something that would be lost
  const [seek, setSeek] = useState(/** @type {any} */ (null));
  const source = useRef(null);
  const last = useRef("");
  const path = `api/v1/jobs/${encodeURIComponent(id)}`;

  useEffect(() => {
    source.current = keepLoading(async (signal) => {
      const found = await get(path, signal);
      setWaiting(hasEnded(found.state) ? null : await get(`${path}/waiting`, signal));
      if (last.current && last.current !== found.state) announce(`${nameOf(found)}: ${stateInWords(found.state)}`);
      last.current = found.state;
      setJob(found);
      const open = found.enhancements.some((item) => ["queued", "running"].includes(item.state));
      return hasEnded(found.state) && !open ? CALM_MS : BUSY_MS;
    }, setError, { job: id });
    return () => source.current.stop();
  }, [id]);

  async function act(what) {
    setQuestion("");
    try {
      await send("DELETE", what === "erase" ? `${path}?erase=true` : path);
      if (what === "erase") location.hash = "#/";
      else source.current.now();
    } catch (problem) {
      setError(problem);
    }
  }

  if (!job) return html`<${Heading} title="Recording">Recording<//><${Failure} error=${error} />
    ${error ? html`<p><a href="#/">All recordings</a></p>` : html`<p class="muted">Loading…</p>`}`;

  const ended = hasEnded(job.state);
  const name = nameOf(job);
  const play = (seconds) => setSeek({ seconds });
  return html`
    <p class="back"><a href="#/">All recordings</a></p>
    <div class="title">
      <${Heading} title=${name}>${name}<//>
      <${State} job=${job} />
      <span class="actions">
        ${!ended && html`<button type="button" disabled=${Boolean(job.cancel_requested_at)} onClick=${() => setQuestion("stop")}>Stop</button>`}
        <button type="button" class="quiet danger" onClick=${() => setQuestion("erase")}>Delete</button>
      </span>
    </div>
    <p class="facts">${facts(job).map((fact) => html`<span dir="auto">${fact}</span>`)}</p>
    <${Failure} error=${error} />
    <${Progress} job=${job} />
    <${Forecast} job=${job} now=${Date.now()} />
    ${!ended && waiting && html`<${Waiting} waiting=${waiting} />`}
    ${job.error && html`<div class="card failed" role="group" aria-label="What went wrong">
      <h2>What went wrong</h2><p dir="auto">${job.error.message}</p>
      <p class="muted">${ADVICE[job.error.kind] || ""} <code>${job.error.code}</code></p>
    </div>`}
    ${session.operator && job.state !== "completed" && html`<p><a href=${`#/operator?job=${job.job_id}`}>More for operators</a></p>`}
    ${job.result?.warnings.map((text) => html`<p class="notice" dir="auto">${text}</p>`)}
    ${job.state === "completed" && html`<${Enhancements} job=${job} session=${session} asked=${() => source.current.now()} play=${play} />`}
    ${(job.state === "completed" || typing) && html`<${Transcript} key=${job.job_id} job=${job} at=${at} seek=${seek} typing=${typing} setTyping=${setTyping} />`}
    ${session.webhooks && html`<${Deliveries} job=${job} />`}
    <${Details} job=${job} />
    ${question === "stop" && html`<${Confirm} title="Stop this recording?" yes="Stop it" done=${(sure) => (sure ? act("stop") : setQuestion(""))}
      text="What was done so far is given up. You can hand it in again later." />`}
    ${question === "erase" && html`<${Confirm} title="Delete this recording?" yes="Delete it" done=${(sure) => (sure ? act("erase") : setQuestion(""))}
      text="Recording, transcript and everything made of them are deleted for good. This cannot be taken back." />`}
  `;
}

const ADVICE = {
  media: "Check the file, and hand in another copy of it.",
  source: "Check the address, and hand it in again.",
  limit: "It is beyond a limit of this service.",
  internal: "You can hand it in again. If it fails again, tell whoever runs this service.",
  expired: "It came too late for its time limit.",
};

function facts(job) {
  const { result, options } = job;
  return [
    languageInWords(result?.language || options.language),
    clock(result?.duration ?? job.progress.total_seconds),
    result?.speakers.length ? counted(result.speakers.length, "speaker") : "", // their names are with what they say
    date(job.requested_at),
  ].filter(Boolean);
}

function Waiting({ waiting }) {
  if (!waiting.held) return waiting.state === "queued" ? html`<p class="muted" dir="auto">${waiting.message}</p>` : null;
  return html`<div class="card waiting"><h2>Why it waits</h2><ul>
    ${waiting.waits.map(
      (wait) => html`<li><span dir="auto">${wait.message}</span>
        ${wait.ahead ? html` <span class="muted">${wait.ahead} of yours before it</span>` : ""}
        ${wait.since && html` <span class="muted">since ${age(wait.since, Date.now())}</span>`}</li>`,
    )}
  </ul></div>`;
}
