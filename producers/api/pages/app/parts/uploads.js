// Files on their way, under every view: progress, cancel, send again.

import { html, useEffect, useState } from "../vendor/preact-htm-3.1.1.js";
import { leave, onArrival, sendAgain, watchUploads } from "../uploads.js";
import { size } from "../words.js";
import { announce } from "./announcer.js";

export function Uploads() {
  const [items, setItems] = useState([]);
  useEffect(() => watchUploads(setItems), []);
  useEffect(() => onArrival((file) => announce(`${file.name} has arrived`)), []);
  if (!items.length) return null;
  return html`<section class="card uploads" aria-label="Uploads"><ul>
    ${items.map((item) => html`<${Row} key=${item.key} item=${item} />`)}
  </ul></section>`;
}

function Row({ item }) {
  const name = html`<bdi class="name">${item.file.name}</bdi>`;
  if (item.error) {
    return html`<li class="failed">${name}
      <p class="error" role="alert" dir="auto">${said(item.error)}</p>
      <span class="actions">
        <button type="button" onClick=${() => sendAgain(item)}>Send again</button>
        <button type="button" class="quiet" onClick=${() => leave(item)}>Leave it</button>
      </span></li>`;
  }
  const total = item.file.size;
  const told =
    item.state === "waiting"
      ? "Waiting for the others"
      : item.share < 1
        ? `${size(item.share * total)} of ${size(total)}`
        : "Nearly there…";
  return html`<li>${name}
    <progress max="1" value=${item.share} aria-label=${`Upload of ${item.file.name}`}></progress>
    <span class="muted">${told}</span>
    <button type="button" class="quiet" onClick=${() => leave(item)}>Cancel</button></li>`;
}

function said(error) {
  return error.errors?.length ? error.errors.map((item) => `${item.field}: ${item.message}`).join("; ") : error.message;
}
