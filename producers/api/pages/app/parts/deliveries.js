// Webhooks of a job: what was sent, how that ended, and sending it again.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, send, withQuery } from "../api.js";
import { keepLoading } from "../updates.js";
import { counted, date } from "../words.js";
import { announce } from "./announcer.js";
import { Failure } from "./failure.js";

const BUSY_MS = 1000;
const CALM_MS = 15_000;
const STATES = { pending: "On its way", delivered: "Delivered", exhausted: "Given up", disabled: "Switched off" };

/** @param {{job: any}} props */
export function Deliveries({ job }) {
  const [found, setFound] = useState([]);
  const [error, setError] = useState(/** @type {any} */ (null));

  const source = useRef(null);
  useEffect(() => {
    source.current = keepLoading(async (signal) => {
      const page = await get(withQuery("api/v1/webhooks/deliveries", { job_id: job.job_id }), signal);
      setFound(page.deliveries);
      return page.deliveries.some((item) => item.state === "pending") ? BUSY_MS : CALM_MS;
    }, (problem) => problem && setError(problem), { withoutNews: true });
    return () => source.current.stop();
  }, [job.job_id, job.state]);

  async function again(delivery) {
    setError(null);
    try {
      await send("POST", `api/v1/webhooks/deliveries/${delivery.delivery_id}/redeliver`);
      announce("It is being sent again");
    } catch (problem) {
      setError(problem);
    }
    source.current.now();
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
