// The transcript on the screen: blocks of segments, of which only those near the window hold words, so that a hundred
// thousand of them cost no more than a thousand. Text only ever becomes text nodes.

import { clock, speakerInWords } from "../words.js";

const WORDS_OF_A_BLOCK = 300;
const NEAR = "1200px 0px";
const COLOURS = 8;
const LINE_PX = 27;
const CHAR_PX = 8.2;

export class TranscriptBlocks {
  /**
   * @param {HTMLElement} place
   * @param {import("./index.js").TranscriptIndex} index
   * @param {boolean} editable whether text and names have buttons that change them
   */
  constructor(place, index, editable) {
    this._index = index;
    this._editable = editable;
    this._current = -1;
    this._hits = { marked: new Set(), chosen: new Set() };
    /** @type {Map<Element, number>} */
    this._numbers = new Map();
    this._blockOf = new Uint32Array(index.segments.length);
    this._blocks = this._made(place.clientWidth || 700);
    place.replaceChildren(...this._blocks.map((block) => block.element));
    this._observer = new IntersectionObserver((entries) => this._moved(entries), { rootMargin: NEAR });
    this._blocks.forEach((block) => this._observer.observe(block.element));
  }

  /** Whether it shows that transcript. @param {import("./index.js").TranscriptIndex} index */
  isOf(index) {
    return this._index === index;
  }

  close() {
    this._observer.disconnect();
  }

  _made(width) {
    const blocks = [];
    let open = null;
    this._index.segments.forEach((segment, number) => {
      if (!open || open.words >= WORDS_OF_A_BLOCK) {
        open = { element: document.createElement("div"), first: number, end: number, words: 0, height: 0, filled: false };
        open.element.className = "block";
        this._numbers.set(open.element, blocks.length);
        blocks.push(open);
      }
      open.end = number + 1;
      open.words += this._index.pieces[number].length;
      open.height += LINE_PX * Math.ceil((segment.text.length * CHAR_PX) / Math.max(200, width - 90)) + 14;
      this._blockOf[number] = blocks.length - 1;
    });
    blocks.forEach((block) => {
      block.element.style.height = `${block.height}px`;
    });
    return blocks;
  }

  _moved(entries) {
    for (const entry of entries) {
      const block = this._blocks[this._numbers.get(entry.target)];
      if (entry.isIntersecting) this._fill(block);
      else this._empty(block, entry.boundingClientRect.height);
    }
  }

  _fill(block) {
    if (block.filled) return;
    block.filled = true;
    const lines = [];
    for (let number = block.first; number < block.end; number += 1) lines.push(this._line(number));
    block.element.replaceChildren(...lines);
    block.element.style.height = "";
    this._mark(block.element);
  }

  _empty(block, height) {
    if (!block.filled || block.element.contains(document.activeElement)) return;
    if (block.element.querySelector(".editing")) return; // what is typed there is nowhere else
    block.filled = false;
    block.element.style.height = `${height}px`;
    block.element.replaceChildren();
  }

  _line(number) {
    const segment = this._index.segments[number];
    const before = this._index.segments[number - 1];
    const line = document.createElement("div");
    line.className = "line";
    line.dataset.place = String(segment.place);
    line.dir = directionOf(segment.text); // not `auto`, which would look at the time and the speaker first
    if (segment.speaker) line.dataset.speaker = String(this._index.speakers.indexOf(segment.speaker) % COLOURS);
    const time = document.createElement("button");
    time.type = "button";
    time.className = "time";
    time.dataset.start = String(segment.start);
    time.textContent = clock(segment.start);
    time.setAttribute("aria-label", `Play from ${clock(segment.start)}`);
    const body = document.createElement("div");
    if (segment.speaker && before?.speaker !== segment.speaker) {
      const name = speakerInWords(segment.speaker);
      const speaker = this._editable ? this._button("rename", `Rename ${name}`) : document.createElement("span");
      speaker.classList.add("speaker");
      speaker.dir = "auto";
      speaker.textContent = name;
      body.append(speaker);
    }
    const text = document.createElement("p");
    text.dir = "auto";
    if (segment.language) text.lang = segment.language;
    for (const piece of this._index.pieces[number]) {
      if (piece.word === null) {
        text.append(piece.text);
      } else {
        const word = document.createElement("span");
        word.dataset.word = String(piece.word);
        word.textContent = piece.text;
        text.append(word);
      }
    }
    body.append(text);
    line.append(time, body);
    if (this._editable) {
      const edit = this._button("edit", `Edit what is said at ${clock(segment.start)}`);
      edit.textContent = "Edit";
      line.append(edit);
    }
    return line;
  }

  _button(what, label) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = what;
    button.dataset.change = what;
    button.setAttribute("aria-label", label);
    return button;
  }

  /** The line of a segment by its place, made if it is not there; null where nothing is said. */
  line(/** @type {number} */ place) {
    const number = this._index.segments.findIndex((segment) => segment.place === place);
    if (number < 0) return null;
    const at = this._blockOf[number];
    [at - 1, at, at + 1].map((near) => this._blocks[near]).filter(Boolean).forEach((block) => this._fill(block));
    return this._blocks[at].element.querySelector(`[data-place="${place}"]`);
  }

  /** Let a word be the one that is said now. */
  setCurrent(/** @type {number} */ number) {
    if (number === this._current) return;
    this._element(this._current)?.classList.remove("now");
    this._current = number;
    this._element(number)?.classList.add("now");
  }

  /**
   * Mark what a search has found, and one of its places among them.
   * @param {{first: number, last: number}[]} hits
   * @param {number} chosen
   */
  setHits(hits, chosen) {
    this._hits = { marked: numbers(hits), chosen: numbers(hits.slice(chosen, chosen + 1)) };
    this._blocks.filter((block) => block.filled).forEach((block) => this._mark(block.element));
  }

  /** Bring a word into view; does nothing while it is there. */
  show(/** @type {number} */ number) {
    if (number < 0) return;
    const place = this._blockOf[this._index.words[number].segment];
    [place - 1, place, place + 1].map((at) => this._blocks[at]).filter(Boolean).forEach((block) => this._fill(block));
    const word = this._element(number);
    if (!word) return;
    const { top, bottom } = word.getBoundingClientRect();
    if (top < innerHeight * 0.2 || bottom > innerHeight * 0.7) word.scrollIntoView({ block: "center" });
  }

  _element(number) {
    if (number < 0) return null;
    const block = this._blocks[this._blockOf[this._index.words[number].segment]];
    return block.filled ? block.element.querySelector(`[data-word="${number}"]`) : null;
  }

  _mark(element) {
    const { marked, chosen } = this._hits;
    for (const word of element.querySelectorAll("[data-word]")) {
      const number = Number(word.dataset.word);
      word.classList.toggle("hit", marked.has(number));
      word.classList.toggle("chosen", chosen.has(number));
      if (number === this._current) word.classList.add("now");
    }
  }
}

const RIGHT_TO_LEFT = /[\u0591-\u07ff\u0860-\u08ff\ufb1d-\ufdfd\ufe70-\ufefc]/u;

/** The direction in which a text runs: that of its first letter. */
function directionOf(/** @type {string} */ text) {
  return RIGHT_TO_LEFT.test(/\p{L}/u.exec(text)?.[0] || "") ? "rtl" : "ltr";
}

/** @param {{first: number, last: number}[]} hits */
function numbers(hits) {
  const found = new Set();
  for (const { first, last } of hits) for (let number = first; number <= last; number += 1) found.add(number);
  return found;
}
