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

/**
 * What an error says of one field.
 * @param {any} error
 * @param {string[]} fields names that the service may give it
 */
export function saidOf(error, ...fields) {
  const found = (error?.errors || []).filter((item) => fields.includes(item.field.split(".").pop()));
  return found.map((item) => item.message).join("; ");
}

/** @param {{id: string, text: string}} props */
export const FieldError = ({ id, text }) => html`<span class="field-error" id=${id}>${text}</span>`;
