// Which streams and incidents are shown.

import { byId, h } from "./dom.js";
import { words } from "./format.js";

export class Filters {
  constructor(onChange) {
    this.name = byId("filter-name");
    this.kind = byId("filter-kind");
    this.state = byId("filter-state");
    this.openOnly = byId("filter-open");
    this.kinds = new Set();
    byId("filters").addEventListener("input", onChange);
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
  }

  /** Offers each kind that was ever seen. */
  learn(kinds) {
    for (const kind of kinds) {
      if (this.kinds.has(kind)) continue;
      this.kinds.add(kind);
      const options = [...this.kinds].sort().map((value) => h("option", { value }, words(value)));
      const chosen = this.kind.value;
      this.kind.replaceChildren(this.kind.options[0], ...options);
      this.kind.value = chosen;
    }
  }

  get active() {
    return Boolean(this.name.value || this.kind.value || this.state.value || this.openOnly.checked);
  }

  clear() {
    this.name.value = this.kind.value = this.state.value = "";
    this.openOnly.checked = false;
  }

  admits(stream, book) {
    const { state } = stream.health;
    if (!this.#named(stream.id)) return false;
    if (this.state.value === "trouble" ? state === "up" : this.state.value && state !== this.state.value) return false;
    const open = book.open(stream.id);
    if (this.openOnly.checked && open.length === 0) return false;
    const kind = this.kind.value;
    if (!kind) return true;
    const judged = stream.kinds.includes(kind) || stream.detectors.includes(kind);
    return this.openOnly.checked ? open.some((incident) => incident.kind === kind) : judged;
  }

  admitsIncident(incident) {
    if (!this.#named(incident.stream)) return false;
    if (this.openOnly.checked && !incident.open) return false;
    return !this.kind.value || incident.kind === this.kind.value;
  }

  #named(id) {
    return id.toLowerCase().includes(this.name.value.trim().toLowerCase());
  }
}
