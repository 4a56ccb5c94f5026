// What happened, for those who do not see it: a region that screen readers read out.

import { html, useEffect, useState } from "../vendor/preact-htm-3.1.1.js";

let tell = (/** @type {string} */ _text) => undefined;

/** @param {string} text */
export const announce = (text) => tell(text);

export function Announcer() {
  const [text, setText] = useState("");
  useEffect(() => {
    tell = setText;
  }, []);
  return html`<p class="unseen" role="status">${text}</p>`;
}
