// What a chat looks like from afar: its rate, and the groups of near-equal messages that were
// flagged. Only counts and tricks are shown; what people wrote stays where it was written.

import { freshContext, h, setChildren, setText, watchSize } from "./dom.js";
import { plural, words } from "./format.js";
import { colours } from "./palette.js";

const SECONDS = 120;

export class ChatFace {
  constructor() {
    this.rate = h("strong", {}, "–");
    this.canvas = h("canvas", { class: "rate", "aria-hidden": "true" });
    this.groups = h("ul", { class: "groups" });
    this.calm = h("p", { class: "muted" }, "no flagged group");
    this.element = h(
      "div",
      { class: "chat-face" },
      h("p", { class: "chat-rate" }, this.rate, h("span", { class: "muted" }, "messages/s")),
      this.canvas,
      this.groups,
      this.calm,
    );
    watchSize(this.canvas);
  }

  draw(stream) {
    const meter = stream.meters.get("text");
    setText(this.rate, meter ? meter.level.toFixed(meter.level < 10 ? 1 : 0) : "–");
    this.#drawRate(stream.levels.get("text")?.points ?? []);
    if (stream.groups !== this.drawn) setChildren(this.groups, stream.groups.list.slice(0, 4).map(groupRow));
    this.drawn = stream.groups;
    this.calm.hidden = stream.groups.list.length > 0;
  }

  #drawRate(points) {
    const fresh = freshContext(this.canvas);
    if (fresh === null) return;
    const { context, width, height } = fresh;
    const most = Math.max(2, ...points.map(({ value }) => value));
    const bar = Math.max(1.5, (0.7 * width) / SECONDS);
    const now = performance.now();
    context.fillStyle = colours().fill;
    for (const { at, value } of points) {
      const x = width * (1 - (now - at) / (1000 * SECONDS));
      const tall = Math.max(value > 0 ? 1.5 : 0, (value / most) * (height - 2));
      context.fillRect(x - bar, height - tall, bar, tall);
    }
  }
}

/** `group`: { size, accounts, tricks: { name: messages that used it } }. */
export function groupRow(group) {
  const tricks = Object.entries(group.tricks ?? {}).map(([name, count]) => `${words(name)} ${count}`);
  return h(
    "li",
    {},
    h("span", { class: "group-size" }, `${plural(group.size, "message")} alike`),
    h("span", {}, plural(group.accounts, "account")),
    tricks.length > 0 ? h("span", { class: "tricks" }, tricks.join(", ")) : null,
  );
}
