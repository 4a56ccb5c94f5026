// A transcript with its corrections over REST: read with its tag, corrected against that tag, read anew after others.

import { exchange, get, send, withQuery } from "../api.js";

export const CONFLICT = "revision_conflict";
export const MACHINE = "machine";

export class Corrections {
  /** @param {string} path of the job */
  constructor(path) {
    this._path = path;
    this._tag = "";
  }

  /**
   * The transcript; what is corrected next is corrected in it, unless it is the machine's.
   * @param {string | number | undefined} [revision] `machine`, a number, or the last one
   */
  async load(revision) {
    const { found, tag } = await exchange("GET", withQuery(`${this._path}/transcript`, { revision }));
    if (revision !== MACHINE) this._tag = tag;
    return found;
  }

  /**
   * Correct what was read; raises Problem, with the code CONFLICT when somebody else did meanwhile.
   * @param {{speakers?: Record<string, string>, segments?: {index: number, text: string}[]}} body
   * @returns the transcript after it
   */
  async correct(body) {
    const done = await send("PATCH", `${this._path}/transcript`, { body, headers: { "If-Match": this._tag } });
    return this.load(done.revision || undefined);
  }

  /**
   * Revisions, the newest first.
   * @param {number} limit
   * @param {string} [cursor]
   */
  list(limit, cursor) {
    return get(withQuery(`${this._path}/revisions`, { limit, cursor }));
  }
}
