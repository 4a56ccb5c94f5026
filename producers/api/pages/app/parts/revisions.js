// Who corrected a transcript, when, and what; and the choice between the machine's and the corrected one.

import { html, useEffect, useState } from "../vendor/preact-htm-3.1.1.js";
import { clock, date, speakerInWords } from "../words.js";
import { MACHINE } from "../transcript/corrections.js";

/** @param {{chosen: string | undefined, choose: (wanted: string | undefined) => void}} props */
export const WhichTranscript = ({ chosen, choose }) => html`
  <div class="filters" role="group" aria-label="Which transcript">
    <button type="button" aria-pressed=${!chosen} onClick=${() => choose(undefined)}>Corrected</button>
    <button type="button" aria-pressed=${chosen === MACHINE} onClick=${() => choose(MACHINE)}>As transcribed</button>
  </div>`;

/** @param {{page: any, run: number, index: any, more: (cursor: string) => Promise<any>}} props */
export function Revisions({ page, run, index, more }) {
  const [older, setOlder] = useState(/** @type {any[]} */ ([]));
  useEffect(() => setOlder([]), [page]); // their pages begin elsewhere now
  const pages = [page, ...older];
  const shown = pages.flatMap((each) => each.revisions);
  const cursor = pages[pages.length - 1].next_cursor;
  return html`<details class="revisions"><summary>Corrections</summary>
    <ol>${shown.map((revision) => html`<li key=${revision.number}>
      <p class="muted"><time datetime=${revision.at}>${date(revision.at)}</time> by the key <code>${revision.key_id}</code>
        ${revision.run !== run && html` <span>of run ${revision.run}</span>`}</p>
      <ul>${Object.entries(revision.changes.speakers).map(([label, name]) => html`<li>
        <span dir="auto">${speakerInWords(label)}</span> is now <strong dir="auto">${speakerInWords(name)}</strong></li>`)}
        ${revision.changes.segments.map((edit) => html`<li>${edited(edit, revision.run === run ? index : null)}</li>`)}</ul>
    </li>`)}</ol>
    ${cursor && html`<button type="button" class="more" onClick=${async () => setOlder([...older, await more(cursor)])}>Older ones</button>`}
  </details>`;
}

/** The change of a segment in words. @param {any} edit @param {any} index */
function edited(edit, index) {
  const segment = index?.segmentAt(edit.index);
  const where = segment ? clock(segment.start) : `Segment ${edit.index + 1}`;
  return html`<span class="muted">${where}</span>
    ${edit.speaker && html` <span>said by <span dir="auto">${speakerInWords(edit.speaker)}</span></span>`}
    ${edit.text === "" && html` <span>nothing is said</span>`}
    ${edit.text && html` <q dir="auto">${edit.text}</q>`}`;
}
