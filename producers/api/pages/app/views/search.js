// The search over all transcripts: each hit leads to its place in its recording.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, withQuery } from "../api.js";
import { clock, date, nameOf, speakerInWords } from "../words.js";
import { announce } from "../parts/announcer.js";
import { Failure } from "../parts/failure.js";
import { Heading } from "../parts/heading.js";

/** @param {{wanted: string}} props */
export function Search({ wanted }) {
  const [typed, setTyped] = useState(wanted);
  const [found, setFound] = useState(/** @type {any} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const asked = useRef("");

  async function load(cursor) {
    setBusy(true);
    setError(null);
    try {
      const page = await get(withQuery("api/v1/search", { q: asked.current, cursor }));
      setFound((before) => ({ ...page, hits: cursor ? [...before.hits, ...page.hits] : page.hits }));
      announce(page.hits.length ? "Results are there" : "Nothing was found");
    } catch (problem) {
      setError(problem);
    }
    setBusy(false);
  }

  function search(text) {
    asked.current = text.trim();
    if (asked.current) load(null);
  }

  useEffect(() => {
    setTyped(wanted);
    search(wanted);
  }, [wanted]);

  function submit(event) {
    event.preventDefault();
    const next = `#/search?q=${encodeURIComponent(typed.trim())}`;
    if (location.hash === next) search(typed);
    else location.hash = next;
  }

  return html`
    <${Heading} title="Search">Search all transcripts<//>
    <form class="searching" role="search" onSubmit=${submit}>
      <input type="search" aria-label="Words to look for" aria-describedby="search-help" dir="auto" maxlength="200" value=${typed}
        onInput=${(event) => setTyped(event.target.value)} />
      <button type="submit" class="main" disabled=${busy}>Search</button>
      <span class="help" id="search-help">All words, in any of their forms. "Words together", this or that, -without.</span>
    </form>
    <${Failure} error=${error} />
    ${found && html`<${Hits} found=${found} />`}
    ${found?.next_cursor && html`<button type="button" class="more" disabled=${busy} onClick=${() => load(found.next_cursor)}>Show more</button>`}
  `;
}

function Hits({ found }) {
  if (!found.hits.length) {
    return html`<p class="muted empty">Nothing was found.
      ${found.too_common.length > 0 && html` Too common to be searched for: ${found.too_common.join(", ")}.`}</p>`;
  }
  return html`<ul class="hits">
    ${found.hits.map(
      (hit) => html`<li key=${`${hit.job_id}/${hit.position}`}>
        <a href=${`#/jobs/${hit.job_id}?at=${hit.start}`}><bdi>${nameOf(hit)}</bdi> <span>${clock(hit.start)}</span></a>
        <p dir="auto">${hit.snippet.map((piece) => (piece.match ? html`<mark>${piece.text}</mark>` : piece.text))}</p>
        <span class="muted">${[speakerInWords(hit.speaker), date(hit.requested_at)].filter(Boolean).join(" · ")}</span>
      </li>`,
    )}
  </ul>`;
}
