// The small view that stays above all windows (Document Picture-in-Picture), where there is one.

import { h, setAttribute, setChildren, setText } from "./dom.js";
import { levelWord } from "./guard_words.js";

const SIZE = { width: 320, height: 230 };

export class CompactView {
  /** `onStop()`: its button to stop watching. */
  constructor(button, { onStop }) {
    this.window = null;
    this.button = button;
    this.onStop = onStop;
    this.word = h("p", { class: "verdict-word" });
    this.why = h("p");
    this.list = h("ul");
    this.sign = h("p", { class: "on-air" }, h("span", { class: "on-air-mark", "aria-hidden": "true" }), "Watching");
    button.addEventListener("click", () => this.open());
  }

  static get possible() {
    return "documentPictureInPicture" in window;
  }

  async open() {
    if (this.window !== null) return this.close();
    try {
      this.window = await window.documentPictureInPicture.requestWindow(SIZE);
    } catch {
      return; // it needs a click of its own, or was forbidden
    }
    const inside = this.window.document;
    for (const link of document.querySelectorAll('link[rel="stylesheet"]')) {
      inside.head.append(h("link", { rel: "stylesheet", href: link.href }));
    }
    inside.title = "Call guard";
    inside.documentElement.lang = "en";
    inside.body.className = "compact";
    const stop = h("button", { type: "button", class: "tool stop", onclick: this.onStop }, "Stop watching");
    inside.body.append(this.sign, h("div", { class: "verdict", role: "status" }, this.word, this.why), this.list, stop);
    this.window.addEventListener("pagehide", () => this.#closed());
    setText(this.button, "Back into the page");
    this.draw(this.last);
  }

  close() {
    this.window?.close();
    this.#closed();
  }

  #closed() {
    this.window = null;
    setText(this.button, "Keep on top");
  }

  draw(seen) {
    this.last = seen;
    if (this.window === null || seen === undefined) return;
    setAttribute(this.window.document.body, "data-level", seen.level);
    setAttribute(this.window.document.body, "data-state", seen.state);
    setText(this.word, seen.word);
    setText(this.why, seen.trouble || seen.why);
    setChildren(this.list, seen.rows.map(({ name, level }) => h("li", {}, h("span", {}, name), h("strong", {}, levelWord(level)))));
  }
}
