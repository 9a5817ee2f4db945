// The overlaid picture of one stream. While one is being decoded only the newest is kept.

import { h } from "./dom.js";

export class Picture {
  constructor(id) {
    this.canvas = h("canvas", { class: "picture", role: "img", "aria-label": `Picture of ${id}` });
    this.canvas.width = 16;
    this.canvas.height = 9;
    this.waiting = null;
    this.shown = null;
    this.busy = false;
  }

  get element() {
    return this.canvas;
  }

  show(overlay) {
    if (overlay === null || overlay === this.shown) return;
    this.waiting = overlay;
    if (!this.busy) this.#drain();
  }

  async #drain() {
    this.busy = true;
    while (this.waiting !== null) {
      const overlay = this.waiting;
      this.waiting = null;
      this.shown = overlay;
      try {
        const bitmap = await createImageBitmap(overlay.blob);
        this.#draw(bitmap);
        bitmap.close();
      } catch (error) {
        console.warn("a picture could not be decoded", error);
      }
    }
    this.busy = false;
  }

  #draw(bitmap) {
    const { canvas } = this;
    if (canvas.width !== bitmap.width) canvas.width = bitmap.width;
    if (canvas.height !== bitmap.height) canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
  }
}
