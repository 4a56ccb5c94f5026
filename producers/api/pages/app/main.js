// The page: who is logged in, which view the address names, and the frame around it.

import { html, render, useCallback, useEffect, useRef, useState } from "./vendor/preact-htm-3.1.1.js";
import { get, onSessionEnd, send } from "./api.js";
import { Announcer } from "./parts/announcer.js";
import { Uploads } from "./parts/uploads.js";
import { leaveAll } from "./uploads.js";
import { Login } from "./views/login.js";
import { Jobs } from "./views/jobs.js";
import { Job } from "./views/job.js";
import { Operator } from "./views/operator.js";
import { Search } from "./views/search.js";
import { Usage } from "./views/usage.js";

/** What the part behind # names. */
function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, id] = path.split("/");
  return { view, id, query: new URLSearchParams(query || "") };
}

function usePlace() {
  const [found, set] = useState(place);
  useEffect(() => {
    const moved = () => {
      set(place());
      scrollTo(0, 0);
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return found;
}

function Frame({ session, leave, children }) {
  return html`
    <a class="skip" href="#content" onClick=${(event) => {
      event.preventDefault();
      document.getElementById("content").focus();
    }}>Skip to the content</a>
    <header class="top">
      <div class="wide">
        <a class="brand" href="#/"><img src="app/icon.svg" alt="" width="28" height="28" /> Scribe Rabbit</a>
        <nav aria-label="Main">
          <a href="#/">Recordings</a>
          <a href="#/search">Search</a>
          <a href="#/usage">Usage</a>
          ${session.operator && html`<a href="#/operator">Operators</a>`}
        </nav>
        <div class="who">
          <span class="tenant" dir="auto">${session.tenant}</span>
          <button type="button" class="quiet" onClick=${leave}>Log out</button>
        </div>
      </div>
    </header>
    <main id="content" class="wide" tabindex="-1">${children}<${Uploads} /></main>
  `;
}

function Page() {
  const [session, setSession] = useState(/** @type {any} */ (null));
  const [ended, setEnded] = useState(false);
  const [failure, setFailure] = useState("");
  const where = usePlace();
  const before = useRef(null);
  if (session?.tenant) before.current = session.tenant;

  const load = useCallback(() => {
    setFailure("");
    get("session").then(setSession, (error) => setFailure(error.message));
  }, []);
  useEffect(load, []);
  useEffect(
    () =>
      onSessionEnd(() => {
        setEnded(true);
        setSession({ tenant: null });
      }),
    [],
  );

  async function leave() {
    try {
      await send("DELETE", "session");
    } catch (error) {
      setFailure(`You are still logged in. ${error.message}`);
      return;
    }
    leaveAll();
    setEnded(false);
    setSession({ tenant: null });
    location.hash = "#/";
  }

  if (failure) {
    return html`<main class="narrow"><h1>Scribe Rabbit</h1>
      <p class="error" role="alert">${failure}</p><button type="button" onClick=${load}>Try again</button></main>`;
  }
  if (!session) return null;
  if (!session.tenant) {
    const entered = (found) => {
      if (found.tenant !== before.current) leaveAll(); // what is on its way is not theirs
      before.current = found.tenant;
      setEnded(false);
      setSession(found);
    };
    return html`<${Login} ended=${ended} entered=${entered} />`;
  }
  return html`<${Frame} session=${session} leave=${leave}>${view(where, session)}<//><${Announcer} />`;
}

function view(where, session) {
  if (where.view === "jobs" && where.id) {
    return html`<${Job} key=${where.id} id=${where.id} at=${where.query.get("at")} session=${session} />`;
  }
  if (where.view === "search") return html`<${Search} session=${session} wanted=${where.query.get("q") || ""} />`;
  if (where.view === "operator" && session.operator) {
    const job = where.query.get("job") || "";
    return html`<${Operator} key=${job} session=${session} job=${job} />`;
  }
  if (where.view === "usage") return html`<${Usage} />`;
  return html`<${Jobs} session=${session} />`;
}

const root = document.getElementById("page");
root.replaceChildren(); // what was shown until now would stay above it
render(html`<${Page} />`, root);
