// The waveform of a short recording. Long ones get none: a browser would have to fetch and decode all of it for that.
// It is drawn here and not by wavesurfer.js, which writes a style into the page that the page's policy refuses.

const MOST_SECONDS = 600;
const MOST_BYTES = 20_000_000;
const RATE = 8000; // enough for a picture, and an eighth of the memory
const BAR_PX = 3;

/**
 * The loudness of a recording in equal parts, each from 0 to 1; null for one that is too long or not understood.
 * @param {string} path
 * @param {number | null} duration in seconds
 * @param {number} parts
 * @param {AbortSignal} signal
 * @returns {Promise<Float32Array | null>}
 */
export async function peaksOf(path, duration, parts, signal) {
  if (duration === null || duration > MOST_SECONDS) return null;
  try {
    const head = await fetch(path, { method: "HEAD", signal });
    if (!head.ok || Number(head.headers.get("content-length")) > MOST_BYTES) return null;
    const whole = await fetch(path, { signal });
    if (!whole.ok) return null;
    const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await whole.arrayBuffer());
    const channels = Array.from({ length: sound.numberOfChannels }, (_, channel) => sound.getChannelData(channel));
    return loudness(channels, parts);
  } catch {
    return null; // the player says what is wrong with a recording
  }
}

/**
 * The loudest sample of each part, on whichever channel.
 * @param {Float32Array[]} channels
 * @param {number} parts
 */
function loudness(channels, parts) {
  const found = new Float32Array(parts);
  for (const samples of channels) {
    samples.forEach((sample, place) => {
      const part = Math.min(parts - 1, Math.floor((place / samples.length) * parts));
      found[part] = Math.max(found[part], Math.abs(sample));
    });
  }
  const most = Math.max(...found);
  return most ? found.map((value) => value / most) : found;
}

/**
 * How many bars a canvas has room for.
 * @param {HTMLCanvasElement} canvas
 */
export const barsOf = (canvas) => Math.max(20, Math.floor(canvas.clientWidth / BAR_PX));

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array} peaks
 * @param {number} played share of the recording
 */
export function draw(canvas, peaks, played) {
  const scale = devicePixelRatio || 1;
  canvas.width = canvas.clientWidth * scale;
  canvas.height = canvas.clientHeight * scale;
  const style = getComputedStyle(canvas);
  const pen = canvas.getContext("2d");
  const width = canvas.width / peaks.length;
  peaks.forEach((peak, place) => {
    const height = Math.max(scale, peak * canvas.height);
    pen.fillStyle = style.getPropertyValue(place / peaks.length < played ? "--accent" : "--wave");
    pen.fillRect(place * width, (canvas.height - height) / 2, width * 0.65, height);
  });
}
