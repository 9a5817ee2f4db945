// The picture that was shown when an incident opened, while the monitor keeps it.

import { getBlob, getJson } from "./api.js";

const MOST = 400; // more than two lists show at once
const GATHER_MS = 80;
const TRY_AGAIN_MS = 2_500;
const TRIES = 3;

export class Snapshots {
  constructor(onChange) {
    this.onChange = onChange;
    this.known = new Map(); // incident id -> object URL, or null while there is none
    this.tries = new Map();
    this.asked = new Set();
    this.timer = null;
  }

  /** An object URL, or null; then `onChange` is called should it come. */
  url(incidentId) {
    if (this.known.has(incidentId)) return this.known.get(incidentId);
    this.known.set(incidentId, null);
    this.#ask(incidentId);
    return null;
  }

  #ask(incidentId) {
    this.asked.add(incidentId);
    this.timer ??= setTimeout(() => this.#load(), GATHER_MS);
  }

  /** Asks first which there are: most incidents of sound and chat have none. */
  async #load() {
    this.timer = null;
    const ids = [...this.asked].slice(0, 40);
    for (const id of ids) this.asked.delete(id);
    if (this.asked.size > 0) this.timer = setTimeout(() => this.#load(), GATHER_MS);
    const query = new URLSearchParams(ids.map((id) => ["incident", id]));
    try {
      const { available } = await getJson(`/api/snapshots?${query}`);
      for (const id of available) {
        if (this.known.get(id)) continue; // asked for again while it was on its way
        const blob = await getBlob(`/api/incidents/${encodeURIComponent(id)}/snapshot.jpg`);
        this.known.set(id, URL.createObjectURL(blob));
      }
      if (available.length > 0) this.onChange();
    } catch {
      // Gone meanwhile, or the connection is down: tried again below.
    }
    this.#tryAgain(ids.filter((id) => !this.known.get(id)));
    this.#forget();
  }

  #tryAgain(ids) {
    const wanted = ids.filter((id) => (this.tries.get(id) ?? 1) < TRIES);
    for (const id of wanted) this.tries.set(id, (this.tries.get(id) ?? 1) + 1);
    if (wanted.length > 0) setTimeout(() => wanted.forEach((id) => this.#ask(id)), TRY_AGAIN_MS);
  }

  #forget() {
    for (const [id, url] of this.known) {
      if (this.known.size <= MOST) return;
      this.known.delete(id);
      this.tries.delete(id);
      if (url) URL.revokeObjectURL(url);
    }
  }
}
