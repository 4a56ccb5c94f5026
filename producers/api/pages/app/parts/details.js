// What else is known of a job: how it was asked for, and what became of it when.

import { html } from "../vendor/preact-htm-3.1.1.js";
import { date, languageInWords, stateInWords } from "../words.js";

const OPTIONS = {
  model: "Model",
  language: "Language",
  task: "Task",
  diarize: "Tell speakers apart",
  num_speakers: "Speakers",
  min_speakers: "At least",
  max_speakers: "At most",
  channels: "Channels",
  track: "Audio track",
  hotwords: "Words to expect",
  prompt: "Text before",
};

/** @param {{job: any}} props */
export function Details({ job }) {
  const options = Object.entries(OPTIONS).filter(([name]) => ![null, undefined, ""].includes(job.options[name]));
  return html`
    <details><summary>How it was asked for</summary>
      <dl>
        <dt>Id</dt><dd><code>${job.job_id}</code></dd>
        <dt>Recording</dt><dd dir="auto">${job.source.startsWith("upload://") ? "Uploaded file" : job.source}</dd>
        ${options.map(([name, label]) => html`<dt>${label}</dt><dd dir="auto">${shown(name, job.options[name])}</dd>`)}
        ${job.result?.models.map((model) => html`<dt>Done by</dt><dd>${model.name}</dd>`)}
        ${Object.entries(job.metadata).map(([name, value]) => html`<dt dir="auto">${name}</dt><dd dir="auto">${value}</dd>`)}
      </dl>
    </details>
    <details><summary>History</summary>
      <ol class="history">
        ${job.history.map(
          (line) => html`<li><time datetime=${line.at}>${date(line.at)}</time> ${stateInWords(line.state)}
            ${job.run > 1 && html` <span class="muted">run ${line.run}</span>`}</li>`,
        )}
      </ol>
    </details>`;
}

function shown(name, value) {
  if (name === "language") return languageInWords(value);
  if (value === true) return "Yes";
  return value === false ? "No" : String(value);
}
