// Handing in recordings: files that are dropped or chosen, or an address; with language, model and speakers.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { get, newKey, send } from "../api.js";
import { addUpload } from "../uploads.js";
import { languageInWords, size } from "../words.js";
import { FieldError, isSaid, saidOf } from "../parts/failure.js";

const DEFAULTS = { language: "", model: "", diarize: true, num_speakers: "", enable_summarization: false };

/** @param {{session: any, submitted: () => void}} props */
export function Submit({ session, submitted }) {
  const [files, setFiles] = useState(/** @type {File[]} */ ([]));
  const [address, setAddress] = useState("");
  const [options, setOptions] = useState(DEFAULTS);
  const [models, setModels] = useState([]);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [over, setOver] = useState(false);
  const chooser = useRef(null);
  const attempt = useRef({ asked: "", key: "" });

  useEffect(() => {
    get("api/v1/models").then(setModels, setError);
  }, []);

  const set = (name) => (event) => {
    const value = event.target.type === "checkbox" ? event.target.checked : event.target.value;
    setOptions((before) => ({ ...before, [name]: value }));
  };

  function choose(found) {
    setError(null);
    const given = [...found].filter((file) => file.size > 0);
    const large = given.find((file) => file.size > session.upload_max_bytes);
    if (large) {
      const message = `${large.name} has ${size(large.size)}; a file may have ${size(session.upload_max_bytes)} at most. Split or compress it.`;
      setError({ message, errors: [{ field: "file", message }] });
    } else if (found.length && !given.length) {
      setError({ message: "", errors: [{ field: "file", message: "The file is empty." }] });
    } else {
      setFiles(given);
    }
  }

  async function submit(event) {
    event.preventDefault();
    setError(null);
    if (!files.length && !address.trim()) {
      setError({ message: "", errors: [{ field: "file", message: "Choose a file, or paste an address." }] });
      return;
    }
    const chosen = wanted(options);
    if (files.length) {
      files.forEach((file) => addUpload(file, chosen, newKey()));
      setFiles([]);
      chooser.current.value = "";
      return;
    }
    const body = { url: address.trim(), ...chosen };
    const asked = JSON.stringify(body);
    // the same request again is the same attempt, whatever became of the first
    if (attempt.current.asked !== asked) attempt.current = { asked, key: newKey() };
    try {
      await send("POST", "api/v1/transcribe", { body, headers: { "Idempotency-Key": attempt.current.key } });
      attempt.current = { asked: "", key: "" };
      setAddress("");
      submitted();
    } catch (problem) {
      setError(problem);
    }
  }

  const drag = (inside) => (event) => {
    event.preventDefault();
    setOver(inside);
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    choose(event.dataTransfer.files);
  };

  return html`<form class="card submit" onSubmit=${submit} novalidate aria-label="New transcript"
      onDragOver=${drag(true)} onDragLeave=${drag(false)} onDrop=${drop}>
    <div class=${over ? "drop over" : "drop"}>
      <p class="drop-title">${files.length ? "Ready to transcribe" : "Drop a recording here"}</p>
      ${files.length
        ? html`<ul class="chosen">${files.map((file) => html`<li><bdi>${file.name}</bdi> <span class="muted">${size(file.size)}</span></li>`)}</ul>`
        : html`<p class="muted">WAV, MP3, M4A, MP4, FLAC, Ogg, Opus, WebM and more; up to ${size(session.upload_max_bytes)}</p>`}
      <label class="button" for="file">${files.length ? "Choose others" : "Choose a file"}</label>
      <input ref=${chooser} class="unseen" id="file" type="file" multiple accept="audio/*,video/*,.opus,.caf,.au,.w64,.mkv"
        aria-describedby="file-error" onChange=${(event) => choose(event.target.files)} />
      <${FieldError} id="file-error" text=${saidOf(error, "file")} />
    </div>
    <${Field} id="url" label="Or the address of a recording" text=${saidOf(error, "url")}>
      <input id="url" type="url" inputmode="url" dir="ltr" placeholder="https://…" value=${address} disabled=${files.length > 0}
        aria-describedby="url-error" aria-invalid=${Boolean(saidOf(error, "url"))}
        onInput=${(event) => setAddress(event.target.value)} />
    <//>
    <div class="options">
      <${Field} id="language" label="Language" text=${saidOf(error, "language")}>
        <select id="language" value=${options.language} onChange=${set("language")} aria-describedby="language-error">
          <option value="">Find out</option>
          ${languages(session, models, options.model).map(([code, name]) => html`<option value=${code}>${name}</option>`)}
        </select>
      <//>
      <${Field} id="model" label="Model" text=${saidOf(error, "model", "engine")}>
        <select id="model" value=${options.model} onChange=${set("model")} aria-describedby="model-error">
          <option value="">Standard</option>
          ${models.map((model) => html`<option value=${model.name}>${model.name}</option>`)}
        </select>
      <//>
      <${Field} id="num_speakers" label="Speakers" text=${saidOf(error, "num_speakers", "diarize")}>
        <select id="num_speakers" value=${options.diarize ? options.num_speakers : "none"} aria-describedby="num_speakers-error"
          onChange=${(event) => {
            const value = event.target.value;
            setOptions((before) => ({ ...before, diarize: value !== "none", num_speakers: value === "none" ? "" : value }));
          }}>
          <option value="">Find out who speaks</option>
          ${[1, 2, 3, 4, 5, 6, 7, 8].map((count) => html`<option value=${count}>${count === 1 ? "1 speaker" : `${count} speakers`}</option>`)}
          <option value="none">Do not tell them apart</option>
        </select>
      <//>
    </div>
    ${session.enhanced_ai && html`<label class="check"><input type="checkbox" checked=${options.enable_summarization}
      onChange=${set("enable_summarization")} /> Summarise it, too</label>`}
    <${General} error=${error} />
    <button type="submit" class="main">Transcribe</button>
  </form>`;
}

function Field({ id, label, text, children }) {
  return html`<div class="field"><label for=${id}>${label}</label>${children}<${FieldError} id=${`${id}-error`} text=${text} /></div>`;
}

const SHOWN = ["file", "url", "language", "model", "engine", "num_speakers", "diarize"];

function General({ error }) {
  if (!error?.message || isSaid(error, SHOWN)) return null;
  return html`<p class="error" role="alert" dir="auto">${error.message}</p>`;
}

function wanted(options) {
  return {
    ...(options.language && { language: options.language }),
    ...(options.model && { model: options.model }),
    ...(options.num_speakers && { num_speakers: Number(options.num_speakers) }),
    ...(options.enable_summarization && { enable_summarization: true }),
    diarize: options.diarize,
  };
}

function languages(session, models, chosen) {
  const model = models.find((item) => (chosen ? item.name === chosen : item.default));
  const known = model?.languages.length ? model.languages : session.languages;
  return known.map((code) => [code, languageInWords(code)]).sort((a, b) => a[1].localeCompare(b[1], "en"));
}
