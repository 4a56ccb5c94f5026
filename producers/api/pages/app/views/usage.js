// What was done for the tenant, by day.

import { html, useEffect, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, withQuery } from "../api.js";
import { clock, size } from "../words.js";
import { Failure } from "../parts/failure.js";
import { Heading } from "../parts/heading.js";

const SPANS = [30, 90, 365];
const days = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });

/** The day so many days before today, in UTC, as REST takes it. @param {number} before */
const dayBefore = (before) => new Date(Date.now() - before * 86_400_000).toISOString().slice(0, 10);

export function Usage() {
  const [span, setSpan] = useState(SPANS[0]);
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));

  useEffect(() => {
    let current = true;
    const query = { since: dayBefore(span - 1), until: dayBefore(0) };
    get(withQuery("api/v1/usage", query)).then(
      (usage) => current && (setFound(usage), setError(null)),
      (problem) => current && setError(problem),
    );
    return () => {
      current = false;
    };
  }, [span]);

  return html`
    <${Heading} title="Usage">Usage<//>
    <label class="span">Show the last
      <select value=${span} onChange=${(event) => setSpan(Number(event.target.value))}>
        ${SPANS.map((each) => html`<option value=${each}>${each} days</option>`)}
      </select></label>
    <${Failure} error=${error} />
    ${found && html`<${Days} found=${found} />`}
  `;
}

function Days({ found }) {
  if (!found.days.length) return html`<p class="muted empty">Nothing was done in this time.</p>`;
  return html`<div class="scrolls" tabindex="0" role="region" aria-label="Usage by day"><table class="usage">
    <thead><tr><th scope="col">Day (UTC)</th><th scope="col">Done</th><th scope="col">Failed</th><th scope="col">Stopped</th>
      <th scope="col">Audio</th><th scope="col">Computing</th><th scope="col">Size</th><th scope="col">AI tokens</th></tr></thead>
    <tbody>${found.days.map((day) => html`<${Line} key=${day.day} title=${days.format(new Date(day.day))} values=${day} />`).reverse()}</tbody>
    <tfoot><${Line} title="In all" values=${found.total} /></tfoot>
  </table></div>`;
}

function Line({ title, values }) {
  return html`<tr><th scope="row">${title}</th>
    <td>${values.completed.toLocaleString("en")}</td><td>${values.failed.toLocaleString("en")}</td><td>${values.cancelled.toLocaleString("en")}</td>
    <td>${clock(values.audio_seconds)}</td><td>${clock(values.gpu_seconds)}</td><td>${size(values.bytes)}</td>
    <td>${values.tokens.toLocaleString("en")}</td></tr>`;
}
