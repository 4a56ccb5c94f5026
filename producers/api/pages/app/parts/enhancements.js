// Summaries and what was found in a transcript, by the AI service: those there are, and asking for one.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, newKey, send } from "../api.js";
import { clock } from "../words.js";
import { Failure } from "./failure.js";

/** @param {{job: any, session: any, asked: () => void, play: (seconds: number) => void}} props */
export function Enhancements({ job, session, asked, play }) {
  const [found, setFound] = useState([]);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const key = useRef(newKey());
  const states = job.enhancements.map((item) => `${item.enhancement_id}${item.state}`).join();

  useEffect(() => {
    Promise.all(job.enhancements.map((item) => get(`api/v1/enhanced-ai/${item.enhancement_id}`))).then(setFound, setError);
  }, [states]);

  async function ask() {
    setBusy(true);
    setError(null);
    const body = { transcription_job_id: job.job_id, enable_summarization: true, enable_entity_extraction: true };
    try {
      await send("POST", "api/v1/enhanced-ai", { body, headers: { "Idempotency-Key": key.current } });
      key.current = newKey();
      asked();
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }

  if (!found.length && !session.enhanced_ai) return null;
  const open = job.enhancements.some((item) => ["queued", "running"].includes(item.state));
  return html`<section class="card" aria-labelledby="summary-heading">
    <div class="bar"><h2 id="summary-heading">Summary</h2>
      ${session.enhanced_ai && !open && !found.some((item) => item.summary) &&
      html`<button type="button" disabled=${busy} onClick=${ask}>Summarise</button>`}</div>
    <${Failure} error=${error} />
    ${open && html`<p class="muted">Being written…</p>`}
    ${!open && !found.length && !error && html`<p class="muted">None yet.</p>`}
    ${found.map((item) => html`<${Enhancement} key=${item.enhancement_id} item=${item} play=${play} />`)}
  </section>`;
}

function Enhancement({ item, play }) {
  if (item.error) return html`<p class="error" dir="auto">${item.error.message}</p>`;
  return html`<div>
    ${item.summary && html`<p class="summary" dir="auto">${item.summary}</p>`}
    ${item.entities?.length > 0 && html`<ul class="entities" aria-label="Found in it">
      ${item.entities.map((entity) => html`<li><${Entity} entity=${entity} play=${play} /></li>`)}
    </ul>`}
  </div>`;
}

function Entity({ entity, play }) {
  const body = html`<bdi>${entity.text}</bdi> <span class="muted">${entity.kind}</span>`;
  if (entity.start === null || entity.start === undefined) return html`<span class="chip">${body}</span>`;
  return html`<button type="button" class="chip" onClick=${() => play(entity.start)} title=${`Play from ${clock(entity.start)}`}>${body}</button>`;
}
