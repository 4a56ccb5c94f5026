// The transcript with its player: the words follow the sound, a click on a word plays it, a search walks through it.

import { html, useEffect, useMemo, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { withQuery } from "../api.js";
import { counted, nameOf } from "../words.js";
import { useEditing } from "./editing.js";
import { Failure } from "./failure.js";
import { Player } from "./player.js";
import { Revisions, WhichTranscript } from "./revisions.js";
import { TranscriptBlocks } from "../transcript/blocks.js";
import { Corrections, MACHINE } from "../transcript/corrections.js";
import { TranscriptIndex } from "../transcript/index.js";

const FORMS = [
  ["srt", "Subtitles (SRT)"],
  ["vtt", "Subtitles (VTT)"],
  ["txt", "Text"],
  ["json", "Data (JSON)"],
];

const ANEW = "This recording is being done anew. What you typed stays here until you save or cancel it.";
const NEW = "There is a new transcript. What you typed stays here: save it to put it there, or cancel to see it.";

/**
 * @param {{job: any, at: string | null, seek: {seconds: number} | null, typing: boolean, setTyping: (is: boolean) => void}} props
 *   `typing`: something is typed in it that would be lost, so it stays while the job is done anew
 */
export function Transcript({ job, at, seek, typing, setTyping }) {
  const [index, setIndex] = useState(/** @type {TranscriptIndex | null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const place = useRef(null);
  const blocks = useRef(/** @type {TranscriptBlocks | null} */ (null));
  const player = useRef(/** @type {any} */ (null));
  const [following, setFollowing] = useState(true);
  const followed = useRef(true);
  const path = `api/v1/jobs/${job.job_id}`;
  const corrections = useMemo(() => new Corrections(path), [path]);
  const [chosen, setChosen] = useState(/** @type {string | undefined} */ (undefined));
  const [revisions, setRevisions] = useState(/** @type {any} */ (null));
  const opened = useRef(false);
  const run = useRef(job.run); // of what is on the screen
  const newest = useRef(job.run);
  newest.current = job.run; // also for what began before it
  const hits = useRef({ found: [], chosen: 0 });

  const load = () => {
    setError(null);
    corrections.load(chosen).then((found) => setIndex(new TranscriptIndex(found)), setError);
  };
  const list = () => corrections.list(20).then(setRevisions, () => undefined); // it is beside the matter
  const show = (/** @type {TranscriptIndex} */ found) => {
    run.current = newest.current;
    setIndex(found);
  };
  const editing = useEditing({ corrections, index, blocks, show, list, follow, typing: setTyping });
  useEffect(load, [corrections, chosen]);
  useEffect(() => {
    list();
  }, [corrections]);
  const outdated = job.state !== "completed" || run.current !== job.run;
  useEffect(() => {
    if (typing || !outdated) return;
    run.current = job.run;
    if (chosen) setChosen(undefined);
    else load();
    list();
  }, [typing, outdated]);

  useEffect(() => {
    if (!index || !place.current) return undefined;
    blocks.current = new TranscriptBlocks(place.current, index, chosen !== MACHINE);
    blocks.current.setHits(hits.current.found, hits.current.chosen);
    if (at !== null && !opened.current) move(Number(at) || 0, false);
    opened.current = true;
    editing.rebuilt();
    return () => blocks.current.close();
  }, [index]);

  function choose(wanted) {
    if (wanted !== chosen && !editing.keeps()) setChosen(wanted);
  }

  useEffect(() => {
    if (seek) move(seek.seconds, true);
  }, [seek]);

  function showHits(found, number) {
    hits.current = { found, chosen: number };
    if (!blocks.current?.isOf(index)) return; // it comes with them
    blocks.current.setHits(found, number);
    if (!found.length) return;
    follow(false);
    blocks.current.show(found[number].first);
  }

  function follow(on) {
    followed.current = on;
    setFollowing(on);
  }

  /** What is said at a time becomes the current word. */
  function said(seconds, force) {
    const word = index ? index.at(seconds) : -1;
    blocks.current?.setCurrent(word);
    if (force || followed.current) blocks.current?.show(word);
  }

  function move(seconds, playing) {
    player.current?.seek(seconds, playing);
    said(seconds, true);
  }

  function clicked(event) {
    const button = event.target.closest("[data-change]");
    if (button) {
      editing.open(button);
      return;
    }
    const time = event.target.closest("[data-start]");
    const word = event.target.closest("[data-word]");
    if (!time && (!word || String(getSelection()))) return; // a selection is for copying
    follow(true);
    move(time ? Number(time.dataset.start) : index.words[Number(word.dataset.word)].start, true);
  }

  if (error) return html`<${Failure} error=${error} again=${load} />`;
  if (!index) return html`<p class="muted">Loading the transcript…</p>`;
  return html`<section class="transcript" aria-labelledby="transcript-heading">
    <div class="bar sticky">
      <h2 id="transcript-heading">Transcript</h2>
      <${Finder} index=${index} show=${showHits} />
      ${revisions?.revisions.some((each) => each.run === job.run) && html`<${WhichTranscript} chosen=${chosen} choose=${choose} />`}
      <details class="downloads"><summary>Download</summary><ul>
        ${FORMS.map(([form, label]) => html`<li>
          <a href=${withQuery(`${path}/transcript`, { format: form, revision: chosen })} download>${label}</a></li>`)}
      </ul></details>
      ${typing && outdated && html`<p class="notice" role="status">${job.state === "completed" ? NEW : ANEW}</p>`}
    </div>
    ${index.segments.length === 0 && html`<p class="muted">Nobody speaks in this recording.</p>`}
    <div class=${chosen === MACHINE ? "lines" : "lines editable"} ref=${place} onClick=${clicked} onWheel=${() => follow(false)} onTouchMove=${() => follow(false)}></div>
    <${Player} job=${job} name=${nameOf(job)} ref=${player} said=${said} following=${following} follow=${follow} />
    ${revisions?.revisions.length > 0 && html`<${Revisions} page=${revisions} run=${job.run} index=${index} more=${(cursor) => corrections.list(20, cursor)} />`}
  </section>`;
}

function Finder({ index, show }) {
  const [typed, setTyped] = useState("");
  const [chosen, setChosen] = useState(0);
  const hits = useMemo(() => index.find(typed), [index, typed]);
  useEffect(() => setChosen(0), [typed]);
  useEffect(() => show(hits, chosen), [hits, chosen]);

  const step = (by) => setChosen((before) => (before + by + hits.length) % hits.length);
  function key(event) {
    if (event.key === "Enter" && hits.length) {
      event.preventDefault();
      step(event.shiftKey ? -1 : 1);
    }
  }

  return html`<div class="finder" role="search">
    <input type="search" placeholder="Find in it" aria-label="Find in the transcript" dir="auto" value=${typed} maxlength="200"
      onInput=${(event) => setTyped(event.target.value)} onKeyDown=${key} />
    ${typed.trim() && html`<span class="muted" role="status">${hits.length ? `${chosen + 1} of ${counted(hits.length, "place")}` : "Nothing found"}</span>
      <button type="button" disabled=${!hits.length} aria-label="The place before" onClick=${() => step(-1)}>↑</button>
      <button type="button" disabled=${!hits.length} aria-label="The next place" onClick=${() => step(1)}>↓</button>`}
  </div>`;
}
