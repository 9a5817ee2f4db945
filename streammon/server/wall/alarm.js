// What must not be missed, until somebody has acknowledged it: the banner, the title of the page,
// and words for screen readers.

import { byId, setAttribute, setHidden, setIcon, setText } from "./dom.js";
import { plural, words } from "./format.js";

const GATHER_MS = 400;
const PULSE_MS = 4_000;

export class Alarm {
  constructor(book, { onOpen }) {
    this.book = book;
    this.monitor = "streammon";
    this.news = [];
    this.timer = null;
    this.calm = null; // timer: no longer fresh
    this.worst = null;
    byId("alarm").addEventListener("click", () => this.worst && onOpen(this.worst.stream));
  }

  /** After an alert: `change` as the book gave it. */
  tell({ incident, news }) {
    this.draw();
    if (!["opened", "risen", "closed"].includes(news)) return;
    this.news.push({ incident, news });
    this.timer ??= setTimeout(() => this.#speak(), GATHER_MS);
    if (news === "closed") return;
    byId("alarm").classList.add("fresh");
    clearTimeout(this.calm);
    this.calm = setTimeout(() => byId("alarm").classList.remove("fresh"), PULSE_MS);
  }

  draw() {
    const open = this.book.open().filter((incident) => this.book.standing(incident).waits);
    const [worst] = open;
    this.worst = worst ?? null;
    document.title = open.length > 0 ? `(${open.length}) ${this.monitor}` : this.monitor;
    setHidden(byId("alarm"), worst === undefined);
    if (worst === undefined) return;
    setAttribute(byId("alarm"), "data-severity", worst.severity);
    setIcon(byId("alarm").querySelector("svg"), worst.severity);
    setText(byId("alarm-title"), `${words(worst.kind)} on ${worst.stream}`);
    setText(byId("alarm-why"), worst.why);
    setText(byId("alarm-more"), open.length > 1 ? `+${open.length - 1} more` : "");
  }

  #speak() {
    this.timer = null;
    const { news } = this;
    this.news = [];
    setText(byId("announcer"), "");
    const text = news.length > 3
      ? `${plural(news.length, "new alert")}, ${this.book.open().length} incidents open`
      : news.map(({ incident, news: what }) => sentence(incident, what)).join(" ");
    requestAnimationFrame(() => setText(byId("announcer"), text));
  }
}

function sentence({ severity, kind, stream, why }, what) {
  if (what === "closed") return `Closed: ${words(kind)} on ${stream}.`;
  return `Alert, ${severity}: ${words(kind)} on ${stream}. ${why}`;
}
