// Several faces in one shared picture, each followed as a person of the call. Pure.

import { plural, score } from "./format.js";

const OVERLAP = 0.3; // share of their common area from which two boxes are one face
const NEAR = 0.5; // or their middles lie this close, in widths of the larger
const GONE_MS = 60_000;
const MOST = 12;
const SUSPECT = 0.6; // as in guard_checks.js

/** The faces that the results of one detector tell of. Numbers stay while a face is seen. */
export class People {
  constructor() {
    this.known = [];
    this.next = 1;
  }

  /** Take the faces of one window; each `{ x1, y1, x2, y2, score }` in shares of the picture. */
  take(regions, at) {
    this.known = this.known.filter((one) => at - one.at < GONE_MS);
    const free = new Set(this.known);
    const pairs = regions.flatMap((box) => this.known.map((one) => ({ box, one, fit: fit(one.box, box) })));
    const matched = new Map();
    for (const { box, one, fit: how } of pairs.sort((a, b) => b.fit - a.fit)) {
      if (how <= 0 || matched.has(box) || !free.has(one)) continue;
      matched.set(box, one);
      free.delete(one);
    }
    const inOrder = [...regions].sort((a, b) => a.x1 - b.x1); // newcomers are numbered as they sit
    for (const box of inOrder) this.#see(matched.get(box) ?? this.#meet(), box, at);
  }

  /** Those of the newest window, from left to right. */
  seen() {
    const at = Math.max(...this.known.map((one) => one.at));
    return this.known.filter((one) => one.at === at).sort((a, b) => a.box.x1 - b.box.x1);
  }

  #meet() {
    const one = { number: this.next, scored: 0, likely: 0, newest: null };
    this.next += 1;
    this.known.push(one);
    if (this.known.length > MOST) this.known.shift();
    return one;
  }

  #see(one, box, at) {
    Object.assign(one, { box, at });
    const known = box.score ?? null;
    if (known === null) return;
    one.scored += 1;
    one.likely += known >= SUSPECT;
    one.newest = known;
  }
}

export const nameOfPerson = ({ number }) => `Person ${number}`;

export function saidOfPerson({ scored, likely, newest, ...person }) {
  if (scored === 0) return `${nameOfPerson(person)}: not judged so far.`;
  const found = likely === 0 ? "none looks false" : `${likely} of them look false`;
  return `${nameOfPerson(person)}: ${plural(scored, "stretch", "stretches")}, ${found}; the newest ${score(newest)} of 1.`;
}

/** How well two boxes may be one face, above 0; at most 0 where they are not. */
function fit(a, b) {
  const width = Math.min(a.x2, b.x2) - Math.max(a.x1, b.x1);
  const height = Math.min(a.y2, b.y2) - Math.max(a.y1, b.y1);
  const common = Math.max(width, 0) * Math.max(height, 0);
  const share = common / (area(a) + area(b) - common || 1);
  if (share >= OVERLAP) return share;
  const apart = Math.hypot(a.x1 + a.x2 - b.x1 - b.x2, a.y1 + a.y2 - b.y1 - b.y2) / 2;
  const most = NEAR * Math.max(a.x2 - a.x1, b.x2 - b.x1);
  return apart < most ? OVERLAP * (1 - apart / most) : 0;
}

const area = ({ x1, y1, x2, y2 }) => (x2 - x1) * (y2 - y1);
