// How the pictures of each stream come here: as packets that this browser decodes, all of them or
// keyframes only, or as JPEGs that the server draws.

export const FULL_TILES = 9; // tiles in motion: who has an open incident first, then as they stand
const KEY_EVERY_S = 1; // all others: their newest keyframe
const MOST = 64; // streams that the server gives as packets
const AGAIN_MS = 30_000; // a stream that could not be decoded is tried again, in another epoch

const WORDS = {
  packets: "Packets as they came in, decoded and drawn upon in this browser",
  keyframes: "Keyframes as they came in, decoded and drawn upon in this browser",
  jpeg: "JPEG, decoded, drawn upon and encoded by the server",
};

/** Why no stream at all can come as packets; null when they can. */
function whyNone() {
  if (new URLSearchParams(location.search).get("pictures") === "jpeg") return "the address asks for it";
  if ("VideoDecoder" in window) return null;
  return isSecureContext ? "this browser has no WebCodecs" : "browsers have WebCodecs only over TLS or on this machine";
}

export class Paths {
  constructor(store) {
    this.store = store;
    this.whyNone = whyNone();
    this.fallen = new Map(); // id -> { why, epoch, at }
    this.sparse = new Set();
    this.chosen = new Map();
  }

  /** The wishes for those of these streams that are to come as packets; `large`: one is shown alone. */
  choose(ids, { large }) {
    this.chosen = new Map();
    if (this.whyNone !== null) return this.chosen;
    const able = ids.filter((id) => this.store.streams.get(id)?.modalities.has("video") && !this.#isFallen(id));
    const urgent = able.filter((id) => this.store.book.open(id).length > 0);
    const order = [...new Set([...urgent, ...able])].slice(0, MOST);
    order.forEach((id, at) => {
      const full = large || at < FULL_TILES || this.sparse.has(id);
      this.chosen.set(id, full ? { mode: "packets" } : { mode: "packets", every_s: KEY_EVERY_S });
    });
    return this.chosen;
  }

  /** From now on this stream comes as JPEGs. */
  fall(id, why) {
    this.fallen.set(id, { why, epoch: this.store.streams.get(id)?.epoch, at: performance.now() });
  }

  /** Its keyframes are too far apart to be shown alone. */
  tooSparse(id) {
    this.sparse.add(id);
  }

  /** What is to be said of a stream's pictures: { path, title }. */
  of(id) {
    const wish = this.chosen.get(id);
    const path = wish === undefined ? "jpeg" : wish.every_s === undefined ? "packets" : "keyframes";
    const why = wish === undefined ? (this.whyNone ?? this.fallen.get(id)?.why) : undefined;
    return { path, title: why ? `${WORDS[path]}: ${why}` : WORDS[path] };
  }

  #isFallen(id) {
    const fallen = this.fallen.get(id);
    if (fallen === undefined) return false;
    const again = performance.now() - fallen.at > AGAIN_MS && this.store.streams.get(id).epoch !== fallen.epoch;
    if (again) this.fallen.delete(id);
    return !again;
  }
}
