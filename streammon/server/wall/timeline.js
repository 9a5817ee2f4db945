// Scores over time, one line per kind. Where a detector abstained there is no line but a mark
// at the foot: silence must not look like a good score.

import { freshContext, h, watchSize } from "./dom.js";
import { colours, dashes, kindColour } from "./palette.js";

const GAP_MS = 15_000;
const FOOT = 5;
const EDGE = 4; // room for the newest mark
const REACHES_S = [60, 120, 300];

export class Timeline {
  /** `most`: seconds it reaches back at most; `axes`: with labels, for the large view. */
  constructor({ most, axes = false }) {
    this.most = most;
    this.seconds = REACHES_S[0];
    this.axes = axes;
    this.canvas = h("canvas", { class: axes ? "timeline large" : "timeline", "aria-hidden": "true" });
    watchSize(this.canvas);
  }

  get element() {
    return this.canvas;
  }

  draw(histories) {
    const fresh = freshContext(this.canvas);
    if (fresh === null) return;
    const { context } = fresh;
    this.#reach(histories);
    const left = this.axes ? 26 : 0;
    const bottom = this.axes ? 16 : 0;
    const area = {
      left,
      width: fresh.width - left - EDGE,
      top: this.axes ? 9 : 3,
      height: fresh.height - bottom - FOOT - (this.axes ? 12 : 6),
      now: performance.now(),
      msPerPixel: (1000 * this.seconds) / (fresh.width - left - EDGE),
    };
    this.#grid(context, area, fresh);
    for (const { kind, points } of histories.values()) drawLine(context, area, kind, points.points);
  }

  /** Reaches back no further than there is something to see. */
  #reach(histories) {
    const now = performance.now();
    const oldest = Math.min(now, ...[...histories.values()].map(({ points }) => points.points[0]?.at ?? now));
    const wanted = REACHES_S.find((seconds) => seconds * 1000 >= now - oldest) ?? this.most;
    this.seconds = Math.min(this.most, wanted);
  }

  #grid(context, area, { width, height }) {
    const { grid, text } = colours();
    context.lineWidth = 1;
    context.strokeStyle = grid;
    context.fillStyle = text;
    context.font = "10px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (const value of this.axes ? [0, 0.25, 0.5, 0.75, 1] : [0, 0.5, 1]) {
      const y = Math.round(area.top + (1 - value) * area.height) + 0.5;
      context.globalAlpha = value === 0.5 || value === 0 ? 1 : 0.55;
      context.beginPath();
      context.moveTo(area.left, y);
      context.lineTo(width, y);
      context.stroke();
      if (this.axes && value !== 0.25 && value !== 0.75) context.fillText(String(value), 2, y);
    }
    context.globalAlpha = 1;
    if (!this.axes) return;
    context.textBaseline = "alphabetic";
    const step = this.seconds > 120 ? 60 : 15;
    for (let ago = 0; ago <= this.seconds; ago += step) {
      const x = width - EDGE - (1000 * ago) / area.msPerPixel;
      context.textAlign = ago === 0 ? "right" : "center";
      const label = ago === 0 ? "now" : step === 60 ? `−${ago / 60} min` : `−${ago} s`;
      if (x > area.left + 14) context.fillText(label, x, height - 3);
    }
    context.textAlign = "left";
  }
}

function drawLine(context, area, kind, points) {
  const x = (at) => area.left + area.width - (area.now - at) / area.msPerPixel;
  const y = (value) => area.top + (1 - value) * area.height;
  const foot = area.top + area.height + FOOT;
  context.strokeStyle = context.fillStyle = kindColour(kind);
  context.lineWidth = 1.75;
  context.lineJoin = "round";
  context.setLineDash(dashes(kind));
  context.beginPath();
  let before = null;
  for (const point of points) {
    const at = x(point.at);
    if (at < area.left) {
      before = point.value === null ? null : { ...point, at: Math.max(point.at, area.now - area.width * area.msPerPixel) };
      continue;
    }
    if (point.value === null) {
      context.fillRect(at - 1.5, foot - 1, 3, 2);
      before = null;
      continue;
    }
    if (before === null || point.at - before.at > GAP_MS) context.moveTo(at - 2, y(point.value));
    else context.moveTo(x(before.at), y(before.value));
    context.lineTo(at, y(point.value));
    before = point;
  }
  context.stroke();
  context.setLineDash([]);
  for (const point of points) {
    const at = x(point.at);
    if (!point.flagged || point.value === null || at < area.left) continue;
    context.beginPath();
    context.arc(at, y(point.value), 2.5, 0, 2 * Math.PI);
    context.fill();
  }
}
