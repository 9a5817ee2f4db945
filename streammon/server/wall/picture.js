// The picture of one stream on a canvas: a JPEG as the server drew it, or a decoded frame that is
// drawn upon here. While a JPEG is being decoded only the newest is kept.

import { h, setAttribute } from "./dom.js";
import { drawMarks } from "./marks.js";

const TALLEST = 2; // taller than so many widths, a picture is made narrower instead

export class Picture {
  /** `widthPx`: of the canvas for decoded frames, and `mostPx` where they have more. */
  constructor(id, { widthPx, mostPx }) {
    Object.assign(this, { id, widthPx, mostPx });
    this.canvas = h("canvas", { class: "picture", role: "img", "aria-label": `Picture of ${id}` });
    this.canvas.width = 16;
    this.canvas.height = 9;
    this.waiting = null;
    this.shown = null;
    this.marks = "";
    this.busy = false;
  }

  get element() {
    return this.canvas;
  }

  /** `incidents`: the open ones of this stream. */
  show(stream, incidents) {
    const { overlay } = stream;
    if (overlay === null) return;
    if (overlay.blob !== undefined) {
      if (overlay !== this.shown && overlay !== this.waiting) this.#decode(overlay);
    } else if (overlay.frame !== null) this.#drawFrame(stream, overlay, incidents);
  }

  #drawFrame(stream, overlay, incidents) {
    const marks = `${stream.said.count} ${incidents.map(({ id, level, severity }) => `${id} ${level} ${severity}`).join()}`;
    if (overlay === this.shown && marks === this.marks) return;
    Object.assign(this, { waiting: null, shown: overlay, marks });
    const { frame, header: { epoch, media_s: mediaS } } = overlay;
    const size = sizeOf(frame, Math.max(this.widthPx, Math.min(this.mostPx, frame.displayWidth)));
    const context = this.#sized(size);
    context.drawImage(frame, 0, 0, size.width, size.height);
    const results = stream.said.of(epoch, mediaS);
    const past = stream.said.pastWith(results, epoch, mediaS);
    drawMarks(context, size, { stream: this.id, epoch, mediaS, results, past, incidents });
    this.#name(overlay.header);
  }

  async #decode(overlay) {
    this.waiting = overlay;
    if (this.busy) return;
    this.busy = true;
    while (this.waiting !== null) {
      const newest = this.waiting;
      this.waiting = null;
      this.shown = newest;
      try {
        const bitmap = await createImageBitmap(newest.blob);
        if (this.shown === newest) {
          this.#sized(bitmap).drawImage(bitmap, 0, 0);
          this.#name(newest.header);
        }
        bitmap.close();
      } catch (error) {
        console.warn("a picture could not be decoded", error);
      }
    }
    this.busy = false;
  }

  #sized({ width, height }) {
    const { canvas } = this;
    if (canvas.width !== width) canvas.width = width;
    if (canvas.height !== height) canvas.height = height;
    return canvas.getContext("2d");
  }

  /** Which picture it is, for whoever looks at the page's elements. */
  #name({ epoch, media_s: mediaS }) {
    setAttribute(this.canvas, "data-epoch", String(epoch));
    setAttribute(this.canvas, "data-media-s", mediaS.toFixed(3));
  }
}

function sizeOf({ displayWidth, displayHeight }, widthPx) {
  const scale = Math.min(widthPx / displayWidth, (TALLEST * widthPx) / displayHeight);
  return {
    width: Math.max(1, Math.round(displayWidth * scale)),
    height: Math.max(1, Math.round(displayHeight * scale)),
  };
}
