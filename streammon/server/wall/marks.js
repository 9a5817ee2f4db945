// Draws what was said of a picture into it, as the server's overlay does (streammon/overlay/draw.py).

import { GREY, Pen, WHITE, printable } from "./pen.js";

const LEAST_PX = [96, 54]; // smaller pictures are shown bare: nothing could be read
const LEAST_NAMES_PX = 240;
const LEAST_PAST_PX = 320;
const LEAST_WHY_PX = 400;
const [CALM, UNSURE, LIKELY] = ["rgb(72 201 150)", "rgb(255 190 70)", "rgb(255 98 98)"];
const BANNERS = {
  info: ["rgb(28 84 190)", WHITE],
  warning: ["rgb(255 184 56)", "rgb(24 18 4)"],
  critical: ["rgb(184 22 38)", WHITE],
};

/**
 * `said`: { stream, epoch, mediaS, results, past, incidents }; results strongest first, incidents
 * the open ones, most severe first.
 */
export function drawMarks(context, { width, height }, said) {
  if (width < LEAST_PX[0] || height < LEAST_PX[1]) return;
  const pen = new Pen(context, { width, height, textPx: Math.min(8 + Math.floor(width / 100), 32) });
  const regions = said.results.flatMap((result) => result.regions);
  regions.sort((a, b) => (a.score ?? -1) - (b.score ?? -1));
  const boxes = regions.map((region) => [region, boxOf(region, pen)]);
  for (const [region, box] of boxes) pen.frame(...box, regionColour(region));
  let topPx = said.incidents.length > 0 ? drawBanner(pen, said) : 0;
  topPx = drawCorner(pen, said, topPx);
  const bottomPx = drawScores(pen, said, topPx);
  for (const [region, box] of boxes) drawLabel(pen, region, box, topPx, bottomPx);
}

/** Green, amber, red: below 0.5, below 0.8, above. The number always stands beside it. */
export const colourOf = (score) => (score < 0.5 ? CALM : score < 0.8 ? UNSURE : LIKELY);

const regionColour = ({ score }) => (score === null ? WHITE : colourOf(score));

function titleOf(kind) {
  const words = printable(kind.replaceAll("_", " "));
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** `1:02:03.4`, hours only where there are some. */
export function clockText(mediaS) {
  if (!Number.isFinite(mediaS)) return "-:--";
  const tenths = Math.round(Math.abs(mediaS) * 10);
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(tenths / 36_000), Math.floor(tenths / 600) % 60];
  const head = hours > 0 ? `${hours}:${two(minutes)}` : String(minutes);
  return `${mediaS < 0 ? "-" : ""}${head}:${two(Math.floor(tenths / 10) % 60)}.${tenths % 10}`;
}

/** Corners in pixels, put right and inside the picture. */
function boxOf({ x1, y1, x2, y2 }, pen) {
  const within = (at) => Math.min(Math.max(at, 0), 1);
  const [left, right] = [within(x1), within(x2)].sort((a, b) => a - b);
  const [upper, lower] = [within(y1), within(y2)].sort((a, b) => a - b);
  const [wide, high] = [pen.width - 1, pen.height - 1];
  return [left * wide, upper * high, right * wide, lower * high].map(Math.round);
}

/** Above the box, or inside it where the banner or the scores would be in the way. */
function drawLabel(pen, region, [x1, y1], topPx, bottomPx) {
  const padPx = Math.floor(pen.textPx / 3);
  const name = pen.width >= LEAST_NAMES_PX ? region.label : "";
  const score = region.score === null ? "" : ` ${region.score.toFixed(2)}`;
  const label = pen.fitted(name + score, Math.floor(pen.width / 2));
  if (label === "") return;
  const platePx = pen.widthOf(label) + 2 * padPx;
  const x = Math.min(x1, pen.width - platePx);
  const y = Math.max(Math.min(y1, bottomPx) - pen.linePx, topPx);
  pen.plate(x, y, x + platePx, y + pen.linePx);
  pen.text(label, x + padPx, y, regionColour(region));
}

/** The most severe incident across the top; returns how far down it reaches. */
function drawBanner(pen, { incidents, epoch, mediaS }) {
  const [shown] = incidents;
  const [ground, ink] = BANNERS[shown.severity] ?? BANNERS.critical;
  const newestS = epoch === shown.epoch ? Math.max(shown.mediaS, mediaS) : shown.mediaS;
  const open = clockText(Math.max(0, newestS - shown.openedS));
  const more = incidents.length > 1 ? `  +${incidents.length - 1} more` : "";
  const marginPx = Math.floor((pen.textPx * 2) / 3);
  const wordy = pen.width >= LEAST_WHY_PX && shown.why !== "";
  const bottomPx = pen.linePx * (wordy ? 2 : 1) + Math.floor(marginPx / 2);
  pen.fill(0, 0, pen.width, bottomPx, ground);
  const roomPx = pen.width - 2 * marginPx;
  let side = `${shown.severity.toUpperCase()}  ${open}${more}`;
  let sidePx = pen.widthOf(side, true);
  const mostPx = Math.max(roomPx - sidePx - marginPx, Math.floor(roomPx / 2));
  const name = pen.fitted(titleOf(shown.kind), mostPx, true);
  const namePx = pen.widthOf(name, true);
  if (namePx + marginPx + sidePx > roomPx) {
    side = pen.fitted(open, roomPx - namePx - marginPx, true);
    sidePx = pen.widthOf(side, true);
  }
  const topPx = Math.floor(marginPx / 4);
  pen.text(name, marginPx, topPx, ink, true);
  pen.text(side, pen.width - marginPx - sidePx, topPx, ink, true);
  if (wordy) pen.text(pen.fitted(shown.why, roomPx), marginPx, topPx + pen.linePx, ink);
  return bottomPx;
}

/** Whose picture it is and when; returns how far down it reaches. */
function drawCorner(pen, { stream, mediaS }, topPx) {
  const padPx = Math.floor(pen.textPx / 2);
  const when = clockText(mediaS);
  const whenPx = pen.widthOf(when);
  const roomPx = pen.width - 3 * padPx - whenPx;
  const name = pen.fitted(stream, Math.min(roomPx, Math.floor(pen.width / 2)), true);
  const namePx = name === "" ? 0 : pen.widthOf(name, true) + padPx;
  pen.plate(0, topPx, namePx + whenPx + 2 * padPx, topPx + pen.linePx);
  pen.text(name, padPx, topPx, WHITE, true);
  pen.text(when, padPx + namePx, topPx, GREY);
  return topPx + pen.linePx;
}

/** A plate along the bottom: a row per kind and the recent past. Returns where it begins. */
function drawScores(pen, { results: rows, past }, topPx) {
  if (rows.length === 0) return pen.height;
  const most = Math.max(1, Math.floor(Math.floor((pen.height - topPx) / 2) / pen.linePx));
  const shown = rows.length <= most ? rows : rows.slice(0, Math.max(1, most - 1));
  const left = rows.length - shown.length;
  const lines = shown.length + (left > 0 && most > 1 ? 1 : 0);
  const padPx = Math.floor(pen.textPx / 2);
  const upperPx = pen.height - lines * pen.linePx - padPx;
  pen.plate(0, upperPx, pen.width, pen.height);
  const withPast = pen.width >= LEAST_PAST_PX && past.some((score) => score !== null);
  const rightPx = withPast ? Math.floor((pen.width * 5) / 8) : pen.width - padPx;
  let y = upperPx + Math.floor(padPx / 2);
  for (const row of shown) {
    drawRow(pen, row, padPx, y, rightPx);
    y += pen.linePx;
  }
  if (lines > shown.length) pen.text(`+${left} more`, padPx, y, GREY);
  if (withPast) drawPast(pen, past, [rightPx + 2 * padPx, upperPx + padPx, pen.width - padPx, pen.height - padPx]);
  return upperPx;
}

/** Label, bar, number; or label and the reason to abstain. */
function drawRow(pen, row, x, y, rightPx) {
  const mark = row.details?.experimental === true ? " (experimental)" : "";
  const who = row.participant ? ` ${row.participant}` : "";
  const labelPx = Math.floor(((rightPx - x) * 9) / 20);
  pen.text(pen.fitted(titleOf(row.kind) + mark + who, labelPx), x, y, WHITE);
  const barX = x + labelPx + Math.floor(pen.textPx / 2);
  if (row.confidence === null) {
    pen.text(pen.fitted(row.abstained ?? "", rightPx - barX), barX, y, GREY);
    return;
  }
  const colour = colourOf(row.confidence);
  const numberX = rightPx - pen.widthOf("0.00", true);
  const halfPx = Math.max(2, Math.floor(pen.textPx / 4));
  const middle = y + Math.floor(pen.linePx / 2);
  pen.bar(barX, middle - halfPx, numberX - Math.floor(pen.textPx / 2), middle + halfPx, row.confidence, colour);
  pen.text(row.confidence.toFixed(2), numberX, y, colour, true);
}

/** The scores of the recent past as a line, broken where there was none, with 0.5 marked. */
function drawPast(pen, past, [x1, y1, x2, y2]) {
  if (x2 - x1 < 8 || y2 - y1 < 6) return;
  pen.track(x1, Math.floor((y1 + y2) / 2), x2);
  const stepPx = (x2 - x1) / Math.max(past.length - 1, 1);
  const point = (score, at) => [Math.round(x1 + at * stepPx), Math.round(y2 - Math.min(Math.max(score, 0), 1) * (y2 - y1))];
  let run = [];
  [...past, null].forEach((score, at) => {
    if (score !== null) run.push(point(score, at));
    else if (run.length > 0) {
      pen.curve(run, WHITE);
      run = [];
    }
  });
  const last = past.findLastIndex((score) => score !== null);
  pen.dot(point(past[last], last), colourOf(past[last]));
}
