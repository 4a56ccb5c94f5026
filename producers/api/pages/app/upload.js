// The upload of one file: progress, cancelling, and a connection that is lost in the middle.

import { CONNECTION_LOST, Problem, problemOf } from "./api.js";

const LOST =
  "The connection was lost before the whole file had arrived. Send it again: the same file is never transcribed twice.";

/**
 * Send a file with its options; raises Problem.
 * @param {File} file
 * @param {Record<string, string>} fields
 * @param {string} key the Idempotency-Key: the same for each attempt
 * @param {(sent: number, total: number) => void} progress
 * @param {AbortSignal} signal
 * @returns {Promise<any>} the job
 */
export function upload(file, fields, key, progress, signal) {
  return new Promise((resolve, reject) => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    form.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", "api/v1/transcribe/upload");
    request.setRequestHeader("Idempotency-Key", key);
    request.upload.addEventListener("progress", (event) => progress(event.loaded, event.total || file.size));
    request.addEventListener("load", () => {
      if (request.status === 202) resolve(JSON.parse(request.responseText));
      else reject(problemOf(request.status, request.responseText));
    });
    request.addEventListener("error", () => reject(new Problem(CONNECTION_LOST, LOST)));
    request.addEventListener("abort", () => reject(new Problem("aborted", "The upload was cancelled.")));
    signal.addEventListener("abort", () => request.abort(), { once: true });
    request.send(form);
  });
}
