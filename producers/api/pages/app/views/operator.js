// What operators see of all tenants: why a job is stuck, and the dead letters of all consumer groups.

import { html, useState } from "../vendor/preact-htm-3.1.1.js";
import { DeadLetters } from "../parts/dead_letters.js";
import { Heading } from "../parts/heading.js";
import { StuckJob } from "../parts/stuck_job.js";

/** @param {{session: any, job: string}} props `job`: the id of the one that is looked at, or nothing */
export function Operator({ session, job }) {
  const [typed, setTyped] = useState(job);
  function submit(event) {
    event.preventDefault();
    location.hash = `#/operator?job=${encodeURIComponent(typed.trim())}`;
  }
  return html`
    <${Heading} title="For operators">For operators<//>
    <section class="card" aria-labelledby="stuck-heading">
      <h2 id="stuck-heading">Why is it stuck?</h2>
      <form class="searching" onSubmit=${submit}>
        <input type="text" aria-label="Id of a job of any tenant" placeholder="Id of a job of any tenant" dir="ltr" maxlength="60"
          value=${typed} onInput=${(event) => setTyped(event.target.value)} />
        <button type="submit">Explain</button>
      </form>
      ${job && html`<${StuckJob} key=${job} id=${job} />`}
    </section>
    <section aria-labelledby="letters-heading">
      <h2 id="letters-heading">Dead letters</h2>
      ${session.dead_letters
        ? html`<${DeadLetters} key=${job} groups=${session.groups} job=${job} />`
        : html`<p class="muted">This service does not show them here: <code>SCRIBE_API_DEAD_LETTERS</code> is not set.
            ${" "}<code>scribe dlq list</code> does.</p>`}
    </section>
  `;
}
