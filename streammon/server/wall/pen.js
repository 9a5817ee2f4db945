// Drawing on a picture so that it can be read on any background, as the server does it: text stands
// on a plate that darkens the picture under it, lines have a dark rim.

export const WHITE = "rgb(255 255 255)";
export const GREY = "rgb(176 182 190)";
const RIM = "rgb(12 14 18)";
const TRACK = "rgb(74 80 90)";
const PLATE = "rgb(14 14 14 / 88%)"; // keeps 12 % of the picture
const FAMILY = '"Rubik", ui-sans-serif, system-ui, sans-serif';
const MOST_SIGNS = 200;

export class Pen {
  constructor(context, { width, height, textPx }) {
    Object.assign(this, { context, width, height, textPx });
    this.linePx = Math.ceil(textPx * 1.45);
    this.baselinePx = Math.floor((this.linePx + Math.round(textPx * 0.68)) / 2);
    context.textBaseline = "alphabetic";
    context.lineJoin = "round";
  }

  widthOf(text, bold = false) {
    this.#font(bold);
    return Math.ceil(this.context.measureText(text).width);
  }

  /** The text on one line, cut with an ellipsis where it is wider than `mostPx`. */
  fitted(text, mostPx, bold = false) {
    const whole = printable(text);
    if (this.widthOf(whole, bold) <= mostPx) return whole;
    let [fits, tooLong] = [0, whole.length];
    while (fits + 1 < tooLong) {
      const middle = (fits + tooLong) >> 1;
      if (this.widthOf(`${whole.slice(0, middle).trimEnd()}…`, bold) <= mostPx) fits = middle;
      else tooLong = middle;
    }
    return fits > 0 ? `${whole.slice(0, fits).trimEnd()}…` : "";
  }

  /** Writes on the line whose upper left corner is (x, y). */
  text(text, x, y, colour, bold = false) {
    this.#font(bold);
    this.context.fillStyle = colour;
    this.context.fillText(text, x, y + this.baselinePx);
  }

  plate(x1, y1, x2, y2) {
    this.fill(x1, y1, x2, y2, PLATE);
  }

  fill(x1, y1, x2, y2, colour) {
    this.context.fillStyle = colour;
    this.context.fillRect(x1, y1, x2 - x1, y2 - y1);
  }

  /** A horizontal bar, filled from the left to `share` (0..1). */
  bar(x1, y1, x2, y2, share, colour) {
    this.fill(x1, y1, x2, y2, TRACK);
    this.fill(x1, y1, x1 + Math.round((x2 - x1) * share), y2, colour);
  }

  /** An outlined box: a coloured line with a dark rim on both sides. */
  frame(x1, y1, x2, y2, colour) {
    const { context } = this;
    const thick = Math.max(1, Math.floor(this.textPx / 7));
    for (const [line, stroke] of [[thick + 2, RIM], [thick, colour]]) {
      context.lineWidth = 2 * Math.floor(line / 2) + 1; // as OpenCV widens lines, to both sides alike
      context.strokeStyle = stroke;
      context.strokeRect(x1 + 0.5, y1 + 0.5, x2 - x1, y2 - y1);
    }
  }

  /** A line through points, each [x, y]. */
  curve(points, colour) {
    const { context } = this;
    context.beginPath();
    for (const [x, y] of points) context.lineTo(x, y);
    context.lineWidth = Math.max(1, Math.floor(this.textPx / 9));
    context.strokeStyle = colour;
    context.stroke();
  }

  dot([x, y], colour) {
    this.context.beginPath();
    this.context.arc(x, y, Math.max(2, Math.floor(this.textPx / 5)), 0, 2 * Math.PI);
    this.context.fillStyle = colour;
    this.context.fill();
  }

  track(x1, y, x2) {
    this.fill(x1, y, x2, y + 1, TRACK);
  }

  #font(bold) {
    const font = `${bold ? 650 : 400} ${this.textPx}px ${FAMILY}`;
    if (this.context.font !== font) this.context.font = font;
  }
}

/** The text on one line without control characters. */
export const printable = (text) => text.slice(0, MOST_SIGNS).replaceAll(/[\p{C}\p{Z}]/gu, " ").trim();
