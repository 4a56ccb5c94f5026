// A question before something that cannot be taken back.

import { html, useEffect, useRef } from "../vendor/preact-htm-3.1.1.js";

/** @param {{title: string, text: string, yes: string, done: (sure: boolean) => void}} props */
export function Confirm({ title, text, yes, done }) {
  const dialog = useRef(null);
  useEffect(() => {
    const opened = dialog.current;
    opened.showModal();
    return () => opened.close();
  }, []);
  return html`<dialog ref=${dialog} aria-labelledby="question" onCancel=${() => done(false)}>
    <h2 id="question">${title}</h2>
    <p>${text}</p>
    <div class="actions">
      <button type="button" onClick=${() => done(false)} autofocus>Keep it</button>
      <button type="button" class="danger" onClick=${() => done(true)}>${yes}</button>
    </div>
  </dialog>`;
}
