// A transcript as flat lists, so that the word at a time, and the words of a search, are found without looking at all.

/**
 * A word: what is shown, when it is said, and the segment that it belongs to.
 * @typedef {{text: string, start: number, end: number, segment: number}} Word
 */

/**
 * A piece of a segment's text: a word by its number, or what stands between two.
 * @typedef {{text: string, word: number | null}} Piece
 */

export class TranscriptIndex {
  /** @param {{segments: any[]}} transcript */
  constructor(transcript) {
    this.segments = transcript.segments
      .map((segment, place) => ({ ...segment, place })) // as REST counts them
      .filter((segment) => segment.text.trim());
    /** @type {Word[]} */
    this.words = [];
    /** @type {Piece[][]} */
    this.pieces = this.segments.map((segment, number) => this._pieces(segment, number));
    this.speakers = [...new Set(this.segments.map((segment) => segment.speaker).filter(Boolean))];
    // segments may overlap, and so may their words
    this._order = this.words.map((_, number) => number).sort((a, b) => this.words[a].start - this.words[b].start);
  }

  /** The words stand in the text of their segment, in their order; where one does not, it follows as it is. */
  _pieces(segment, number) {
    const words = segment.words.length ? segment.words : [{ text: segment.text.trim(), start: segment.start, end: segment.end }];
    const pieces = [];
    let end = 0;
    for (const word of words) {
      const at = segment.text.indexOf(word.text, end);
      const between = at < 0 ? (pieces.length ? " " : "") : segment.text.slice(end, at);
      if (between && pieces.length) pieces.push({ text: between, word: null });
      pieces.push({ text: word.text, word: this.words.length });
      this.words.push({ text: word.text, start: word.start, end: word.end, segment: number });
      if (at >= 0) end = at + word.text.length;
    }
    return pieces;
  }

  /** The segment at a place as REST counts them; none where nothing is said. */
  segmentAt(/** @type {number} */ place) {
    return this.segments.find((segment) => segment.place === place);
  }

  /** The number of the word that is said at a time, or the last one before; -1 before the first. */
  at(/** @type {number} */ seconds) {
    let low = 0;
    let high = this._order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.words[this._order[middle]].start <= seconds) low = middle + 1;
      else high = middle;
    }
    return low ? this._order[low - 1] : -1;
  }

  /**
   * Where the words of a text are said together: first and last word of each place.
   * @param {string} text
   * @returns {{first: number, last: number}[]}
   */
  find(text) {
    const wanted = plain(text);
    if (!wanted) return [];
    const { line, starts } = this._plain();
    const found = [];
    for (let at = line.indexOf(wanted); at >= 0; at = line.indexOf(wanted, at + wanted.length)) {
      found.push({ first: wordAt(starts, at), last: wordAt(starts, at + wanted.length - 1) });
    }
    return found;
  }

  _plain() {
    if (!this._line) {
      const starts = new Uint32Array(this.words.length);
      const parts = [];
      let length = 0;
      this.words.forEach((word, number) => {
        const part = (number ? " " : "") + plain(word.text);
        starts[number] = number ? length + 1 : 0;
        parts.push(part);
        length += part.length;
      });
      this._line = { line: parts.join(""), starts };
    }
    return this._line;
  }
}

/** Text without what a search does not look at: case, accents and vowel points, and how many blanks there are. */
function plain(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/\s+/).filter(Boolean).join(" ");
}

/**
 * The number of the word in which a place lies.
 * @param {Uint32Array} starts
 * @param {number} place
 */
function wordAt(starts, place) {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= place) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
