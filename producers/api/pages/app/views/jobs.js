// The list of recordings: live, filtered by state, searched by name, page by page.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, withQuery } from "../api.js";
import { onArrival } from "../uploads.js";
import { keepLoading } from "../updates.js";
import { age, clock, counted, date, hasEnded, languageInWords, nameOf, stateInWords } from "../words.js";
import { announce } from "../parts/announcer.js";
import { Failure } from "../parts/failure.js";
import { Heading } from "../parts/heading.js";
import { Forecast, Progress, State } from "../parts/state.js";
import { JobList } from "../job_list.js";
import { Submit } from "./submit.js";

const PAGE = 25;
const BUSY_MS = 1000;
const CALM_MS = 3000;
const FILTERS = [
  ["", "All"],
  ["queued,transcribing,diarizing", "In progress"],
  ["completed", "Done"],
  ["failed,cancelled", "Failed or stopped"],
];

/** @param {{session: any}} props */
export function Jobs({ session }) {
  const [state, setState] = useState("");
  const [typed, setTyped] = useState("");
  const [name, setName] = useState("");
  const [listed, setListed] = useState({ jobs: [], cursor: null, loaded: false });
  const [error, setError] = useState(null);
  const [loadingMore, setLoadingMore] = useState(false);
  const list = useRef(null);
  const source = useRef(null);

  useEffect(() => {
    const timer = setTimeout(() => setName(typed.trim()), 300);
    return () => clearTimeout(timer);
  }, [typed]);

  useEffect(() => {
    const found = new JobList();
    list.current = found;
    setListed((before) => ({ ...before, loaded: false }));
    source.current = keepLoading(async (signal) => {
      const page = await get(withQuery("api/v1/jobs", { state, name, limit: PAGE }), signal);
      for (const job of found.takeNewest(page)) announce(`${nameOf(job)}: ${stateInWords(job.state)}`);
      setListed({ jobs: found.jobs, cursor: found.cursor, loaded: true });
      return found.jobs.some((job) => !hasEnded(job.state)) ? BUSY_MS : CALM_MS;
    }, setError);
    return () => source.current.stop();
  }, [state, name]);

  useEffect(() => onArrival(() => source.current.now()), []);

  async function more() {
    setLoadingMore(true);
    const found = list.current;
    try {
      found.takeOlder(await get(withQuery("api/v1/jobs", { state, name, limit: PAGE, cursor: found.cursor })));
      if (found === list.current) setListed({ jobs: found.jobs, cursor: found.cursor, loaded: true });
    } catch (problem) {
      setError(problem);
    }
    setLoadingMore(false);
  }

  return html`
    <${Heading} title="Recordings">Recordings<//>
    <${Submit} session=${session} submitted=${() => source.current?.now()} />
    <section aria-labelledby="list-heading">
      <div class="bar">
        <h2 id="list-heading">Your recordings</h2>
        <div class="filters" role="group" aria-label="Show">
          ${FILTERS.map(
            ([value, label]) =>
              html`<button type="button" aria-pressed=${state === value} onClick=${() => setState(value)}>${label}</button>`,
          )}
        </div>
        <input type="search" placeholder="Search by name" aria-label="Search by name" value=${typed} dir="auto"
          maxlength="200" onInput=${(event) => setTyped(event.target.value)} />
      </div>
      <${Failure} error=${error} />
      <${Rows} listed=${listed} filtered=${Boolean(state || name)} />
      ${listed.cursor && html`<button type="button" class="more" disabled=${loadingMore} onClick=${more}>
        ${loadingMore ? "Loading…" : "Show more"}</button>`}
    </section>
  `;
}

function Rows({ listed, filtered }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => setNow(Date.now()), [listed]);
  if (!listed.loaded && !listed.jobs.length) return html`<p class="muted empty">Loading…</p>`;
  if (!listed.jobs.length) {
    return html`<p class="muted empty">${filtered ? "No recording fits." : "Nothing here yet. Drop a recording above and read what was said."}</p>`;
  }
  return html`<ul class="jobs" aria-label=${counted(listed.jobs.length, "recording")}>
    ${listed.jobs.map((job) => html`<${Row} key=${job.job_id} job=${job} now=${now} />`)}
  </ul>`;
}

function Row({ job, now }) {
  const language = languageInWords(job.result?.language || job.options.language);
  const length = clock(job.result?.duration ?? job.progress.total_seconds);
  return html`<li>
    <a class="name" dir="auto" href=${`#/jobs/${job.job_id}`}>${nameOf(job)}</a>
    <${State} job=${job} />
    <span class="facts">
      <${Progress} job=${job} />
      <${Forecast} job=${job} now=${now} />
      ${language && html`<span>${language}</span>`}
      ${length && html`<span>${length}</span>`}
      <time datetime=${job.requested_at} title=${date(job.requested_at)}>${age(job.requested_at, now)}</time>
    </span>
    ${job.error && html`<span class="why" dir="auto">${job.error.message}</span>`}
  </li>`;
}
