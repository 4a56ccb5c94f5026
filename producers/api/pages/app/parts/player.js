// The player of an upload: the browser's own, which asks the service for parts of the recording as it needs them.

import { Component, html } from "../vendor/preact-htm-3.1.1.js";
import { barsOf, draw, peaksOf } from "../transcript/waveform.js";

const ELSEWHERE =
  "This recording was fetched from an address of its own, and no copy of it is kept here. It cannot be played.";
const UNPLAYABLE = "The recording cannot be played here: it is not kept any more, or your browser does not know its format.";

export class Player extends Component {
  constructor(props) {
    super(props);
    this.state = { failed: false, peaks: null };
    this._audio = null;
    this._canvas = null;
    this._frame = 0;
    this._ending = new AbortController();
  }

  async componentDidMount() {
    if (!this._canvas) return;
    const { job } = this.props;
    const peaks = await peaksOf(path(job), job.result.duration, barsOf(this._canvas), this._ending.signal);
    if (!this._ending.signal.aborted) this.setState({ peaks }, () => this._paint());
  }

  componentWillUnmount() {
    this._ending.abort();
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

  _paint() {
    const { peaks } = this.state;
    if (peaks && this._canvas && this._audio) {
      draw(this._canvas, peaks, this._audio.currentTime / (this._audio.duration || 1));
    }
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

  _clicked(event) {
    const { left, width } = this._canvas.getBoundingClientRect();
    this.seek(((event.clientX - left) / width) * (this._audio.duration || 0), false);
  }

  render({ job, name, following, follow }, { failed, peaks }) {
    if (!job.links.audio) return html`<p class="notice">${ELSEWHERE}</p>`;
    if (failed) return html`<p class="notice">${UNPLAYABLE}</p>`;
    return html`<div class="player">
      <canvas class=${peaks ? "wave" : "wave none"} aria-hidden="true" onClick=${(event) => this._clicked(event)}
        ref=${(canvas) => {
          this._canvas = canvas;
        }}></canvas>
      <audio controls preload="metadata" src=${path(job)} aria-label=${`Recording ${name}`}
        ref=${(audio) => {
          this._audio = audio;
        }}
        onPlay=${() => this._run()} onSeeked=${() => this._tell()} onTimeUpdate=${() => this._paint()}
        onError=${() => this.setState({ failed: true })}></audio>
      <label class="check"><input type="checkbox" checked=${following} onChange=${(event) => follow(event.target.checked)} /> Follow</label>
    </div>`;
  }
}

/** The address of the recording, relative to the page. */
const path = (job) => job.links.audio.replace(/^\//, "");
