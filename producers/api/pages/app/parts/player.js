// The player of an upload: the browser's own, which asks the service for parts of the recording as it needs them.

import { Component, html } from "../vendor/preact-htm-3.1.1.js";

export class Player extends Component {
  constructor(props) {
    super(props);
    this.state = { failed: false };
    this._audio = null;
    this._frame = 0;
  }

  componentWillUnmount() {
    cancelAnimationFrame(this._frame);
    this._audio?.pause();
  }

  /**
   * @param {number} seconds
   * @param {boolean} playing
   */
  seek(seconds, playing) {
    if (!this._audio) return;
    this._audio.currentTime = seconds;
    if (playing) this._audio.play().catch(() => undefined); // what is wrong with it is told by its error
  }

  _tell() {
    this.props.said(this._audio.currentTime, false);
  }

  _run() {
    cancelAnimationFrame(this._frame);
    const turn = () => {
      if (!this._audio || this._audio.paused) return;
      this._tell();
      this._frame = requestAnimationFrame(turn);
    };
    turn();
  }

  render({ job, name, following, follow }, { failed }) {
    if (!job.links.audio) {
      return html`<p class="notice">This recording was fetched from an address of its own, and no copy of it is kept here. It cannot be played.</p>`;
    }
    if (failed) {
      return html`<p class="notice">The recording cannot be played here: it is not kept any more, or your browser does not know its format.</p>`;
    }
    return html`<div class="player">
      <audio controls preload="metadata" src=${job.links.audio.replace(/^\//, "")} aria-label=${`Recording ${name}`}
        ref=${(audio) => {
          this._audio = audio;
        }}
        onPlay=${() => this._run()} onSeeked=${() => this._tell()} onError=${() => this.setState({ failed: true })}></audio>
      <label class="check"><input type="checkbox" checked=${following} onChange=${(event) => follow(event.target.checked)} /> Follow</label>
    </div>`;
  }
}
