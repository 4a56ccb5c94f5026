// An error in words, and the words for single fields.

import { html } from "../vendor/preact-htm-3.1.1.js";

/** @param {{error: Error | null, again?: () => void}} props */
export function Failure({ error, again }) {
  if (!error) return null;
  return html`<div class="error" role="alert">
    <p dir="auto">${error.message}</p>
    ${again && html`<button type="button" onClick=${again}>Try again</button>`}
  </div>`;
}

/** Fields of which an error speaks as a whole, by its code. */
const FIELDS = {
  source_refused: "url",
  source_unreachable: "url",
  source_not_found: "url",
  unknown_language: "language",
  language_required: "language",
  unknown_model: "model",
  unknown_engine: "model",
  model_not_allowed: "model",
};

/**
 * What an error says of one field.
 * @param {any} error
 * @param {string[]} fields names that the service may give it
 */
export function saidOf(error, ...fields) {
  if (fields.includes(FIELDS[error?.code])) return error.message;
  const found = (error?.errors || []).filter((item) => fields.includes(item.field.split(".").pop()));
  return found.map((item) => item.message).join("; ");
}

/** Whether an error is shown beside one of these fields, and nothing is left to say. */
export function isSaid(/** @type {any} */ error, /** @type {string[]} */ fields) {
  if (fields.includes(FIELDS[error?.code])) return true;
  const named = (error?.errors || []).map((item) => item.field.split(".").pop());
  return named.length > 0 && named.every((name) => fields.includes(name));
}

/** @param {{id: string, text: string}} props */
export const FieldError = ({ id, text }) => html`<span class="field-error" id=${id}>${text}</span>`;
