// Calls of the REST interface: the same operations as everybody's, with the session's cookie in place of a key.

/**
 * An answer that is an error, in words: `errors` are those of single fields.
 * @typedef {{field: string, message: string}} FieldError
 */
export class Problem extends Error {
  /**
   * @param {string} code stable, for programs
   * @param {string} message in words
   * @param {FieldError[]} errors
   * @param {number} status 0 when no answer came
   */
  constructor(code, message, errors = [], status = 0) {
    super(message);
    this.code = code;
    this.errors = errors;
    this.status = status;
  }
}

export const CONNECTION_LOST = "connection_lost";
const LOST = "The service does not answer. Check your connection; the page tries again by itself.";

/** @type {Set<() => void>} */
const endings = new Set();

/**
 * Have a function called when the session has ended.
 * @param {() => void} listener
 * @returns {() => void} ends that
 */
export function onSessionEnd(listener) {
  endings.add(listener);
  return () => endings.delete(listener);
}

/**
 * The error that an answer holds.
 * @param {number} status
 * @param {string} text
 * @param {boolean} [ofLogin] a wrong key ends no session
 */
export function problemOf(status, text, ofLogin = false) {
  let found = {};
  try {
    found = JSON.parse(text) || {};
  } catch {
    // something between the browser and the service answered in its own way
  }
  if (status === 401 && !ofLogin) endings.forEach((listener) => listener());
  const detail = found.detail || `The service answered with status ${status}.`;
  return new Problem(found.code || "unknown", detail, found.errors || [], status);
}

/**
 * Send a request, and read what it answers; raises Problem.
 * @param {string} method
 * @param {string} path relative to the page, such as `api/v1/jobs`
 * @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} more
 * @returns {Promise<{found: any, tag: string}>} with the entity tag of the answer
 */
export async function exchange(method, path, { body, headers = {}, signal } = {}) {
  const json = body === undefined ? {} : { "Content-Type": "application/json" };
  let answer;
  let text;
  try {
    answer = await fetch(path, {
      method,
      headers: { ...json, ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      signal,
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(CONNECTION_LOST, LOST);
  }
  if (!answer.ok) throw problemOf(answer.status, text, path === "session");
  return { found: text ? JSON.parse(text) : null, tag: answer.headers.get("ETag") || "" };
}

/**
 * The same without the tag.
 * @param {string} method
 * @param {string} path
 * @param {{body?: unknown, headers?: Record<string, string>, signal?: AbortSignal}} [more]
 */
export const send = async (method, path, more) => (await exchange(method, path, more)).found;

/**
 * @param {string} path
 * @param {AbortSignal} [signal]
 */
export const get = (path, signal) => send("GET", path, { signal });

/**
 * The address of a list with those filters that are set.
 * @param {string} path
 * @param {Record<string, string | number | undefined | null>} query
 */
export function withQuery(path, query) {
  const set = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const text = new URLSearchParams(set.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** A fresh Idempotency-Key; `crypto.randomUUID` is only there under https. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
