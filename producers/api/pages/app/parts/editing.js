// Editing of a transcript: which field is open, and what becomes of it when it is saved, left, or others were quicker.

import { useRef } from "../vendor/preact-htm-3.1.1.js";
import { Problem } from "../api.js";
import { clock, speakerFromWords, speakerInWords } from "../words.js";
import { announce } from "./announcer.js";
import { CONFLICT } from "../transcript/corrections.js";
import { Editor } from "../transcript/editor.js";
import { TranscriptIndex } from "../transcript/index.js";

/**
 * @param {{corrections: any, index: TranscriptIndex | null, blocks: {current: any}, show: (index: TranscriptIndex) => void,
 *   list: () => void, follow: (on: boolean) => void, typing: (is: boolean) => void}} parts `show`: put another transcript in its
 *   place; `list`: load the revisions anew; `typing`: told whether something is typed that would be lost
 */
export function useEditing({ corrections, index, blocks, show, list, follow, typing }) {
  const editor = useRef(/** @type {Editor | null} */ (null));
  const latest = useRef(/** @type {TranscriptIndex | null} */ (null)); // what others made of it while one types
  const anchor = useRef(/** @type {any} */ (null)); // what stays where it is on the screen

  /** Bring the line that was changed to where it was, with the focus where it began. */
  function stay() {
    const line = anchor.current && blocks.current.line(anchor.current.place);
    if (line) {
      scrollBy(0, line.getBoundingClientRect().top - anchor.current.top);
      (line.querySelector(`.${anchor.current.what}`) || line.querySelector(".edit"))?.focus({ preventScroll: true });
    }
    anchor.current = null;
  }

  function hold(number, what) {
    anchor.current = { place: number, what, top: blocks.current.line(number)?.getBoundingClientRect().top };
  }

  /** Open a field for the text of a segment, or for the name of who says it. */
  function open(button) {
    if (editor.current?.keeps()) return;
    editor.current?.close();
    follow(false);
    const line = button.closest("[data-place]");
    const number = Number(line.dataset.place);
    const segment = index.segmentAt(number);
    const what = button.dataset.change;
    const rename = what === "rename";
    editor.current = new Editor({
      before: rename ? button : line.querySelector("p"),
      value: rename ? speakerInWords(segment.speaker) : segment.text,
      label: rename ? "Name of the speaker" : `What is said at ${clock(segment.start)}`,
      lines: !rename,
      save: (value) => save(number, what, value),
      typed: typing,
      closed: () => left(number, what),
    });
  }

  async function save(number, what, value) {
    const now = latest.current?.segmentAt(number) || index.segmentAt(number);
    const body = what === "rename" ? { speakers: { [now.speaker]: speakerFromWords(value) } } : { segments: [{ index: number, text: value }] };
    try {
      const found = await corrections.correct(body);
      hold(number, what);
      latest.current = null;
      show(new TranscriptIndex(found));
    } catch (problem) {
      if (problem.code !== CONFLICT) throw problem;
      latest.current = new TranscriptIndex(await corrections.load());
      list();
      const theirs = latest.current.segmentAt(number);
      const said = what === "rename" ? speakerInWords(theirs?.speaker) : theirs?.text;
      throw new Problem(CONFLICT, `Somebody corrected this transcript meanwhile. Here it says now: “${said || ""}”. Save again to put yours in its place, or cancel.`);
    }
    announce("Saved");
    list();
  }

  function left(number, what) {
    editor.current = null;
    if (latest.current) {
      hold(number, what);
      show(latest.current);
      latest.current = null;
    } else {
      blocks.current.line(number)?.querySelector(`.${what}`)?.focus();
    }
  }

  return {
    open,
    /** Whether something was typed that would be lost. */
    keeps: () => Boolean(editor.current?.keeps()),
    /** The transcript is on the screen anew. */
    rebuilt() {
      editor.current = null;
      stay();
    },
  };
}
