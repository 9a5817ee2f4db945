// What the detectors said last, as short rows and as full cards.

import { h, setAttribute, setChildren, setText } from "./dom.js";
import { ago, score, words } from "./format.js";
import { kindIndex } from "./palette.js";

const OLD_S = 30;

class ScoreRow {
  constructor(kind) {
    this.name = h("span", { class: "score-name" });
    this.value = h("span", { class: "score-value" });
    this.bar = h("span", { class: "score-fill" });
    this.element = h(
      "li",
      { class: "score", "data-kind": kindIndex(kind) },
      h("span", { class: "swatch", "aria-hidden": "true" }),
      this.name,
      h("span", { class: "score-bar", "aria-hidden": "true" }, this.bar),
      this.value,
    );
  }

  show({ result, at }, name) {
    const text = verdict(result);
    setText(this.name, name);
    setText(this.value, text);
    setAttribute(this.element, "title", `${name}: ${text}`);
    setAttribute(this.element, "data-verdict", verdictClass(result));
    const old = performance.now() - at > 1000 * OLD_S;
    this.element.classList.toggle("old", old);
    this.bar.style.setProperty("--share", String(result.confidence ?? 0));
  }
}

export const verdict = (result) =>
  result.confidence === null ? `abstains: ${result.abstained}` : score(result.confidence);

function verdictClass(result) {
  if (result.confidence === null) return "abstains";
  return result.is_ai_generated === true ? "flagged" : "plain";
}

/** One row per detector and modality, in a fixed order. */
export class ScoreList {
  constructor() {
    this.element = h("ul", { class: "scores" });
    this.rows = new Map();
  }

  draw(stream) {
    const wanted = [];
    const said = [...stream.scores.values()].map(({ result }) => result);
    for (const key of [...stream.scores.keys()].sort()) {
      const entry = stream.scores.get(key);
      if (!this.rows.has(key)) this.rows.set(key, new ScoreRow(entry.result.kind));
      const row = this.rows.get(key);
      const mark = experimental(entry.result) ? " (experimental)" : "";
      row.show(entry, rowName(entry.result, said) + mark);
      wanted.push(row.element);
    }
    for (const key of this.rows.keys()) if (!stream.scores.has(key)) this.rows.delete(key);
    setChildren(this.element, wanted);
  }
}

/** What it looks for; who says so where several look for it; and in what where one looks in several. */
function rowName({ kind, detector, modality, participant }, said) {
  const alike = said.filter((other) => other.kind === kind);
  const name = words(alike.some((other) => other.detector !== detector) ? detector : kind);
  const several = alike.filter((other) => other.detector === detector).length > 1;
  return several ? `${name}, ${participant || modality}` : name;
}

/** Whether it is told with incidents of others, and opens none. */
const experimental = (result) => result.details?.experimental === true;

class DetectorCard {
  constructor({ detector, modality, participant, kind }) {
    this.score = h("strong", { class: "card-score" });
    this.word = h("span", { class: "card-word" });
    this.bar = h("span", { class: "score-fill" });
    this.facts = h("dl", { class: "facts" });
    const of = participant ? `${words(modality)} of ${participant}` : words(modality);
    this.element = h(
      "li",
      { class: "card", "data-kind": kindIndex(kind) },
      h("h3", {}, h("span", { class: "swatch", "aria-hidden": "true" }), words(detector), h("span", { class: "muted" }, of)),
      h("p", { class: "card-verdict" }, this.score, this.word),
      h("span", { class: "score-bar", "aria-hidden": "true" }, this.bar),
      this.facts,
    );
  }

  show({ result, at }) {
    const judged = result.confidence !== null;
    setText(this.score, judged ? score(result.confidence) : "–");
    setText(this.word, judged ? wordOf(result) : `abstains: ${result.abstained}`);
    setAttribute(this.element, "data-verdict", verdictClass(result));
    this.bar.style.setProperty("--share", String(result.confidence ?? 0));
    const rows = [
      ["model", result.model_used],
      ["looked at", `${result.start_s.toFixed(1)}–${result.end_s.toFixed(1)} s`],
      ["said", ago((performance.now() - at) / 1000)],
    ];
    if (result.processing_time_s !== undefined) {
      rows.push(["took", `${(1000 * result.processing_time_s).toFixed(0)} ms`]);
    }
    rows.push(...detailRows(result.details ?? {}));
    setFacts(this.facts, rows);
  }
}

function wordOf(result) {
  const word = { true: "suspect", false: "nothing found" }[result.is_ai_generated] ?? "";
  return experimental(result) ? [word, "experimental: opens no incident"].filter(Boolean).join("; ") : word;
}

function detailRows(details) {
  return Object.entries(details)
    .filter(([, value]) => ["number", "string", "boolean"].includes(typeof value))
    .slice(0, 6)
    .map(([name, value]) => [words(name), typeof value === "number" ? String(Math.round(value * 1000) / 1000) : String(value)]);
}

/** Fills a `dl`; keeps its elements where only the values changed. */
export function setFacts(list, rows) {
  while (list.children.length > 2 * rows.length) list.lastElementChild.remove();
  while (list.children.length < 2 * rows.length) list.append(h("dt"), h("dd"));
  rows.forEach(([name, value], at) => {
    setText(list.children[2 * at], name);
    setText(list.children[2 * at + 1], value);
  });
}

export class DetectorCards {
  constructor() {
    this.element = h("ul", { class: "cards" });
    this.cards = new Map();
  }

  draw(stream) {
    const wanted = [];
    for (const key of [...stream.scores.keys()].sort()) {
      const entry = stream.scores.get(key);
      if (!this.cards.has(key)) this.cards.set(key, new DetectorCard(entry.result));
      const card = this.cards.get(key);
      card.show(entry);
      wanted.push(card.element);
    }
    for (const key of this.cards.keys()) if (!stream.scores.has(key)) this.cards.delete(key);
    setChildren(this.element, wanted);
  }
}
