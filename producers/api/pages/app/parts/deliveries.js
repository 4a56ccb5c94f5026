// Webhooks of a job: what was sent, how that ended, and sending it again.

import { html, useEffect, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, send, withQuery } from "../api.js";
import { counted, date } from "../words.js";
import { announce } from "./announcer.js";
import { Failure } from "./failure.js";

const STATES = { pending: "On its way", delivered: "Delivered", exhausted: "Given up", disabled: "Switched off" };

/** @param {{job: any}} props */
export function Deliveries({ job }) {
  const [found, setFound] = useState([]);
  const [error, setError] = useState(/** @type {any} */ (null));

  const load = () =>
    get(withQuery("api/v1/webhooks/deliveries", { job_id: job.job_id })).then((page) => setFound(page.deliveries), setError);
  useEffect(() => {
    load();
  }, [job.job_id, job.state, job.updated_at]);

  async function again(delivery) {
    setError(null);
    try {
      await send("POST", `api/v1/webhooks/deliveries/${delivery.delivery_id}/redeliver`);
      announce("It is being sent again");
    } catch (problem) {
      setError(problem);
    }
    await load();
  }

  if (!found.length && !error) return null;
  return html`<details><summary>Webhooks (${found.length})</summary>
    <${Failure} error=${error} />
    <ul class="deliveries">
      ${found.map(
        (item) => html`<li key=${item.delivery_id}>
          <code>${item.type}</code> <span class="muted" dir="ltr">${item.url}</span>
          <span>${STATES[item.state] || item.state}, ${counted(item.attempts, "attempt")}${item.status ? `, answered ${item.status}` : ""}
            ${item.error && html` <span class="muted" dir="auto">${item.error}</span>`}</span>
          <time datetime=${item.created_at}>${date(item.created_at)}</time>
          <button type="button" onClick=${() => again(item)}>Send again</button>
        </li>`,
      )}
    </ul></details>`;
}
