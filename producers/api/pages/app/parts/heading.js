// The heading of a view, which takes the focus when the view comes and names the browser's tab.

import { html, useEffect, useRef } from "../vendor/preact-htm-3.1.1.js";

/** @param {{title: string, children: any}} props */
export function Heading({ title, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · Scribe Rabbit`;
  }, [title]);
  useEffect(() => heading.current.focus({ preventScroll: true }), []);
  return html`<h1 tabindex="-1" ref=${heading} dir="auto">${children}</h1>`;
}
