// The login: a key once, a session from then on.

import { html, useEffect, useRef, useState } from "../vendor/preact-htm-3.1.1.js";
import { send } from "../api.js";

/** @param {{ended: boolean, entered: (session: any) => void}} props */
export function Login({ ended, entered }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  useEffect(() => {
    document.title = "Log in · Scribe Rabbit";
    field.current.focus();
  }, []);

  async function submit(event) {
    event.preventDefault();
    const key = field.current.value.trim();
    if (!key) {
      setError("Enter your key.");
      field.current.focus();
      return;
    }
    setBusy(true);
    setError("");
    try {
      entered(await send("POST", "session", { body: { key } }));
    } catch (problem) {
      setError(problem.message);
      setBusy(false);
      field.current.focus();
    }
  }

  return html`<main class="narrow">
    <form class="card login" onSubmit=${submit} novalidate>
      <h1><img src="app/icon.svg" alt="" width="36" height="36" /> Scribe Rabbit</h1>
      <p class="muted">${ended ? "Your session has ended. Log in again to go on." : "Recordings in, transcripts with speakers out."}</p>
      <label for="key">Your key</label>
      <input id="key" ref=${field} type="password" name="key" autocomplete="current-password" autocapitalize="off"
        spellcheck=${false} dir="ltr" aria-invalid=${Boolean(error)} aria-describedby="key-help key-error" />
      <span class="help" id="key-help">It begins with sr_live_. Whoever runs this service gives you one.</span>
      <span class="field-error" id="key-error" role="alert">${error}</span>
      <button type="submit" class="main" disabled=${busy}>${busy ? "Logging in…" : "Log in"}</button>
    </form>
  </main>`;
}
