// The main part of a stream's view, tile or large: picture, sound or chat, by what it has.

import { ChatFace } from "./chat.js";
import { h, setHidden, setText } from "./dom.js";
import { span } from "./format.js";
import { Picture } from "./picture.js";
import { Spectrogram, levelShare, levelWords } from "./spectrogram.js";

const AT_LEAST_MS = 6_000;
const SMALL = { widthPx: 640, mostPx: 640 }; // as the server draws its JPEGs, unless set otherwise
const LARGE = { widthPx: 640, mostPx: 1280 };

export class Face {
  constructor(id, { large = false } = {}) {
    this.id = id;
    this.size = large ? LARGE : SMALL;
    this.note = h("p", { class: "face-note" });
    this.main = h("div", { class: "face" }, this.note);
    this.level = h("span", { class: "level-fill" });
    this.levelText = h("span", { class: "level-text" });
    this.strip = h(
      "div",
      { class: "sound", hidden: true },
      h("div", { class: "level" }, this.level),
      this.levelText,
    );
    this.element = h("div", { class: "face-box" }, this.main, this.strip);
    this.kind = "none";
    this.part = null;
    this.spectrogram = null;
    this.watchedAt = performance.now();
  }

  /** Pictures are asked for from now on: silence before this moment means nothing. */
  watchFromNow() {
    this.watchedAt = performance.now();
  }

  /** `incidents`: the open ones of this stream. */
  draw(stream, incidents) {
    this.paint(stream, incidents);
    if (stream.face === "text") this.part.draw(stream);
    this.#drawSound(stream);
    this.tick(stream);
  }

  /** The picture alone: it may change many times a second. */
  paint(stream, incidents) {
    if (stream.face !== this.kind) this.#become(stream.face);
    if (stream.face === "video") this.part.show(stream, incidents);
  }

  /** Says what is missing, or how old what is shown has become. */
  tick(stream) {
    const { age, stale } = freshness(stream, this.watchedAt);
    const note = noteOf(stream, age, stale);
    setText(this.note, note);
    setHidden(this.note, note === "");
    this.main.classList.toggle("stale", stale);
    return { age, stale };
  }

  #become(kind) {
    this.kind = kind;
    this.part?.element.remove();
    this.part = kind === "video" ? new Picture(this.id, this.size) : kind === "text" ? new ChatFace() : null;
    if (this.part) this.main.prepend(this.part.element);
    this.spectrogram?.element.remove();
    this.spectrogram = null;
    this.main.dataset.face = kind;
  }

  #drawSound(stream) {
    const meter = stream.meters.get("audio");
    const heard = meter !== undefined && stream.modalities.has("audio");
    setHidden(this.strip, !heard);
    if (!heard) return;
    if (this.spectrogram === null) {
      this.spectrogram = new Spectrogram();
      if (this.kind === "audio") this.main.prepend(this.spectrogram.element);
      else this.strip.append(this.spectrogram.element);
    }
    this.spectrogram.draw(stream);
    this.level.style.setProperty("--share", levelShare(meter.level).toFixed(3));
    setText(this.levelText, levelWords(meter.level));
  }
}

/** Seconds since the stream's main part changed, and whether that is too long. */
export function freshness(stream, watchedAt) {
  const face = stream.face;
  const newest = face === "video" ? stream.overlay : stream.meters.get(face);
  const now = performance.now();
  const age = newest ? (now - newest.at) / 1000 : null;
  if (["ended", "failed"].includes(stream.health.state)) return { age, stale: false };
  const most = face === "video" ? Math.max(AT_LEAST_MS, 3 * stream.overlayEveryMs) : AT_LEAST_MS;
  return { age, stale: now - Math.max(newest?.at ?? 0, watchedAt) > most };
}

function noteOf(stream, age, stale) {
  const what = { video: "picture", audio: "sound", text: "messages" }[stream.face];
  const { state } = stream.health;
  if (what === undefined) return "nothing yet";
  if (state === "ended") return age === null ? "ended" : "";
  if (state === "failed") return "failed";
  if (state === "retrying") return age === null ? "not connected" : `last ${what} ${span(age)} ago`;
  if (age === null) return stale ? `no ${what} arrives` : `waiting for ${what}`;
  return stale ? `no new ${what} for ${span(age)}` : "";
}
