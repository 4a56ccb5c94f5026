// Dead letters of all groups, the newest first: filtered, page by page, each opened as text.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, withQuery } from "../api.js";
import { date } from "../words.js";
import { announce } from "./announcer.js";
import { Failure } from "./failure.js";

const PATH = "api/v1/operator/dead-letters";
const PAGE = 25;

/** @param {{groups: string[], job: string}} props */
export function DeadLetters({ groups, job }) {
  const [wanted, setWanted] = useState({ group: "", code: "", since: "", job_id: job });
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const shown = useRef(wanted); // the filters of what is on the screen

  async function load(cursor) {
    setBusy(true);
    setError(null);
    if (!cursor) shown.current = wanted;
    const { since, ...more } = shown.current;
    const query = { ...more, since: since && new Date(`${since}T00:00`).toISOString(), limit: PAGE, cursor };
    try {
      const page = await get(withQuery(PATH, query));
      setFound((before) => ({ ...page, dead_letters: cursor ? [...before.dead_letters, ...page.dead_letters] : page.dead_letters }));
      announce(page.dead_letters.length ? "Dead letters are there" : "No dead letter was found");
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }
  useEffect(() => {
    load(null);
  }, []);

  function submit(event) {
    event.preventDefault();
    load(null);
  }
  const set = (name) => (event) => setWanted({ ...wanted, [name]: event.target.value.trim() });

  return html`
    <form class="letter-filters" onSubmit=${submit}>
      <label>Group <select value=${wanted.group} onChange=${set("group")}>
        <option value="">All</option>${groups.map((group) => html`<option value=${group}>${group}</option>`)}</select></label>
      <label>Error code <input type="text" value=${wanted.code} maxlength="60" dir="ltr" onInput=${set("code")} /></label>
      <label>Since <input type="date" value=${wanted.since} onInput=${set("since")} /></label>
      <label>Job <input type="text" value=${wanted.job_id} maxlength="60" dir="ltr" onInput=${set("job_id")} /></label>
      <button type="submit" disabled=${busy}>${busy ? "Reading…" : "Show"}</button>
    </form>
    <${Failure} error=${error} />
    ${found && html`<${Letters} found=${found} />`}
    ${found?.next_cursor && html`<button type="button" class="more" disabled=${busy} onClick=${() => load(found.next_cursor)}>Show older ones</button>`}
  `;
}

function Letters({ found }) {
  if (!found.dead_letters.length) {
    return html`<p class="muted empty">${found.next_cursor ? "None among the newest ones." : "No dead letter fits."}</p>`;
  }
  return html`<ul class="letters">${found.dead_letters.map((letter) => html`<li key=${letter.item}><${Letter} letter=${letter} /></li>`)}</ul>`;
}

function Letter({ letter }) {
  const [whole, setWhole] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));

  function load() {
    setError(null);
    get(`${PATH}/${letter.item}`).then(setWhole, setError);
  }
  function toggled(event) {
    if (event.target.open && !whole) load();
  }

  return html`<details onToggle=${toggled}>
    <summary><code>${letter.item}</code> <span class="code">${letter.code}</span>
      ${" "}<time class="muted" datetime=${letter.at}>${date(letter.at)}</time></summary>
    <p dir="auto">${letter.message}</p>
    <dl>
      <dt>Tenant</dt><dd dir="auto">${letter.tenant || "nobody can read it"}</dd>
      ${letter.job_id && html`<dt>Job</dt><dd><a href=${`#/operator?job=${letter.job_id}`}><code>${letter.job_id}</code></a></dd>`}
      ${letter.event && html`<dt>Event</dt><dd>${letter.event}${letter.run ? `, run ${letter.run}` : ""}</dd>`}
      ${letter.origin && html`<dt>It came from</dt><dd><code>${letter.origin}</code></dd>`}
      ${letter.handled && html`<dt>Done about it</dt><dd dir="auto">${letter.handled.action} by ${letter.handled.requested_by}, ${date(letter.handled.at)}</dd>`}
    </dl>
    <p class="muted">To send it again: <code>scribe dlq redrive ${letter.item}</code>. If nothing is to be done:
      ${" "}<code>scribe dlq discard ${letter.item}</code>.</p>
    <${Failure} error=${error} again=${load} />
    ${whole && html`<${Contents} letter=${whole} />`}
    ${!whole && !error && html`<p class="muted">Loading…</p>`}
  </details>`;
}

function Contents({ letter }) {
  return html`
    <dl>
      <dt>Key</dt><dd dir="auto">${letter.key}</dd>
      ${Object.entries(letter.headers).map(([name, value]) => html`<dt dir="auto">${name}</dt><dd dir="auto">${value}</dd>`)}
    </dl>
    ${letter.form
      ? html`<pre tabindex="0" role="region" aria-label=${`What is in ${letter.item}`} dir="auto">${letter.value}</pre>`
      : html`<p class="muted">It has no value.</p>`}
    ${letter.value_chars > letter.value.length && html`<p class="muted">The first ${letter.value.length.toLocaleString("en")} of
      ${" "}${letter.value_chars.toLocaleString("en")} characters.</p>`}`;
}
