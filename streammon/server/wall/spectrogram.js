// What a stream sounds like: a strip that moves to the left, and a level.

import { freshContext, h, watchSize } from "./dom.js";

const STOPS = [
  [11, 15, 28],
  [34, 52, 99],
  [42, 113, 142],
  [86, 170, 140],
  [226, 201, 96],
  [255, 248, 220],
];
const RAMP = Uint8ClampedArray.from(
  Array.from({ length: 256 }, (_, value) => {
    const place = (value / 255) * (STOPS.length - 1);
    const from = STOPS[Math.floor(place)];
    const to = STOPS[Math.min(Math.floor(place) + 1, STOPS.length - 1)];
    return [0, 1, 2].map((part) => from[part] + (to[part] - from[part]) * (place % 1));
  }).flat(),
);
const COLUMNS = 320;
const FLOOR_DB = -60;

export class Spectrogram {
  constructor() {
    this.canvas = h("canvas", { class: "spectrogram", "aria-hidden": "true" });
    this.strip = document.createElement("canvas");
    this.drawn = -1;
    watchSize(this.canvas);
    this.canvas.addEventListener("resized", () => {
      this.drawn = -1;
      if (this.stream) this.draw(this.stream);
    });
  }

  get element() {
    return this.canvas;
  }

  draw(stream) {
    this.stream = stream;
    if (stream.columnCount === this.drawn) return;
    const fresh = freshContext(this.canvas);
    if (fresh === null) return;
    this.drawn = stream.columnCount;
    const columns = stream.columns.slice(-COLUMNS);
    const bands = columns.at(-1)?.length ?? 0;
    if (bands === 0) return;
    this.#paint(columns, bands);
    fresh.context.imageSmoothingEnabled = true;
    const width = (fresh.width * columns.length) / COLUMNS;
    fresh.context.drawImage(this.strip, 0, 0, columns.length, bands, fresh.width - width, 0, width, fresh.height);
  }

  #paint(columns, bands) {
    if (this.strip.width !== COLUMNS || this.strip.height !== bands) {
      this.strip.width = COLUMNS;
      this.strip.height = bands;
    }
    const context = this.strip.getContext("2d");
    const pixels = context.createImageData(columns.length, bands);
    columns.forEach((column, x) => {
      for (let band = 0; band < bands; band += 1) {
        const to = 4 * ((bands - 1 - band) * columns.length + x);
        const from = 3 * (column[band] ?? 0);
        pixels.data[to] = RAMP[from];
        pixels.data[to + 1] = RAMP[from + 1];
        pixels.data[to + 2] = RAMP[from + 2];
        pixels.data[to + 3] = 255;
      }
    });
    context.putImageData(pixels, 0, 0);
  }
}

/** A level in dBFS as 0..1 of a bar, and as words. */
export function levelShare(level) {
  return Math.max(0, Math.min(1, 1 - level / FLOOR_DB));
}

export function levelWords(level) {
  return level <= FLOOR_DB ? "silent" : `${Math.round(level)} dB`;
}
