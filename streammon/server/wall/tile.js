// One stream in the grid.

import { h, icon, setAttribute, setHidden, setIcon, setText } from "./dom.js";
import { Face } from "./face.js";
import { ago, clock, words } from "./format.js";
import { ScoreList } from "./scores.js";
import { Timeline } from "./timeline.js";

const HISTORY_S = 120;

export class Tile {
  constructor(id, { onOpen }) {
    this.id = id;
    this.face = new Face(id);
    this.timeline = new Timeline({ most: HISTORY_S });
    this.scores = new ScoreList();
    this.visible = false;
    this.button = h("button", { type: "button", class: "tile-open", tabindex: "-1", onclick: onOpen }, id);
    this.stateIcon = icon("starting");
    this.stateText = h("span");
    this.state = h("span", { class: "state" }, this.stateIcon, this.stateText);
    this.path = h("span", { class: "path" });
    this.age = h("span", { class: "age" });
    this.cause = h("p", { class: "cause", hidden: true });
    this.alarmIcon = icon("critical");
    this.alarmText = h("span");
    this.alarmTime = h("span", { class: "alarm-time" });
    this.alarm = h("p", { class: "tile-alarm", hidden: true }, this.alarmIcon, this.alarmText, this.alarmTime);
    this.element = h(
      "article",
      { class: "tile", "data-stream": id },
      h("header", {}, h("h2", {}, this.button), this.alarm, this.state, this.path, this.age),
      this.face.element,
      this.cause,
      this.timeline.element,
      this.scores.element,
    );
  }

  draw(stream, incidents) {
    const { state, cause } = stream.health;
    setAttribute(this.element, "data-state", state);
    setIcon(this.stateIcon, state);
    setText(this.stateText, state);
    setText(this.cause, cause);
    setHidden(this.cause, cause === "");
    this.#drawAlarm(incidents);
    setAttribute(this.button, "aria-label", describe(stream, incidents));
    if (!this.visible) return;
    this.face.draw(stream, incidents);
    this.scores.draw(stream);
    this.tick(stream);
  }

  /** What changes by the mere passing of time. */
  tick(stream) {
    if (!this.visible) return;
    const { age } = this.face.tick(stream);
    setText(this.age, ago(age));
    this.timeline.draw(stream.histories);
  }

  /** How its pictures come: `path` in a word, `title` in full. */
  say({ path, title }) {
    setText(this.path, path);
    setAttribute(this.path, "title", title);
    setAttribute(this.element, "data-path", path);
  }

  #drawAlarm(incidents) {
    const [worst] = incidents;
    setHidden(this.alarm, worst === undefined);
    setAttribute(this.element, "data-alarm", worst?.severity ?? "none");
    if (worst === undefined) return;
    setIcon(this.alarmIcon, worst.severity);
    const more = incidents.length > 1 ? ` +${incidents.length - 1}` : "";
    setText(this.alarmText, `${words(worst.kind)}${more}`);
    setText(this.alarmTime, clock((Date.now() - worst.openedMs) / 1000));
  }
}

function describe(stream, incidents) {
  const parts = [stream.id, stream.health.state];
  if (stream.health.cause) parts.push(stream.health.cause);
  for (const incident of incidents) parts.push(`open incident: ${words(incident.kind)}, ${incident.severity}`);
  return parts.join(", ");
}
