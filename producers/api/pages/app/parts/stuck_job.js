// Why a job of any tenant waits: each gate with its evidence, and what to look at.

import { html, useEffect, useState } from "../vendor/preact-htm-3.1.1.js";
import { get } from "../api.js";
import { date, stateInWords } from "../words.js";
import { Failure } from "./failure.js";

const SUBJECTS = { job: "The job", webhook: "A webhook", enhancement: "An enhancement" };

/** @param {{id: string}} props */
export function StuckJob({ id }) {
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));

  function load() {
    setError(null);
    get(`api/v1/operator/jobs/${encodeURIComponent(id)}/waiting`).then(setFound, setError);
  }
  useEffect(load, [id]);

  if (error) return html`<${Failure} error=${error} again=${load} />`;
  if (!found) return html`<p class="muted">Loading…</p>`;
  return html`<div class="stuck">
    <p role="status"><strong dir="auto">${found.message}</strong></p>
    <dl>
      <dt>Tenant</dt><dd dir="auto">${found.tenant || "not in the database yet"}</dd>
      <dt>State</dt><dd>${stateInWords(found.state)}${found.run > 1 ? `, run ${found.run}` : ""}</dd>
      ${found.since && html`<dt>Since</dt><dd>${date(found.since)}</dd>`}
      ${found.evidence.map((line) => html`<dt></dt><dd dir="auto">${line}</dd>`)}
    </dl>
    ${found.waits.map(
      (wait) => html`<section class="gate" key=${wait.id + wait.reason}>
        <h3>${SUBJECTS[wait.subject]}: <code>${wait.reason}</code></h3>
        <p dir="auto">${wait.message}</p>
        <ul class="muted">
          ${wait.since && html`<li>since ${date(wait.since)}</li>`}
          ${wait.next_attempt_at && html`<li>goes on ${date(wait.next_attempt_at)}</li>`}
          ${wait.ahead > 0 && html`<li>${wait.ahead} of its tenant before it</li>`}
          ${wait.evidence.map((line) => html`<li dir="auto">${line}</li>`)}
        </ul>
        <p>${withCode(wait.runbook)}</p>
      </section>`,
    )}
    <p class="muted">This is what the database knows. <code>scribe why ${id} --direct</code> looks into Kafka too.
      ${" "}<button type="button" onClick=${load}>Look again</button></p>
  </div>`;
}

/** Text in which backticks mark code. @param {string} text */
const withCode = (text) => text.split("`").map((part, number) => (number % 2 ? html`<code>${part}</code>` : part));
