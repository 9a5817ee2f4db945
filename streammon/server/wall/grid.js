// The tiles: which there are, which are shown, which one has the keyboard.

import { byId, setChildren, setHidden, setText } from "./dom.js";
import { Tile } from "./tile.js";

export class Grid {
  /** `onVisible()`: another set of tiles is on the screen. */
  constructor(store, { onOpen, onVisible }) {
    this.store = store;
    this.onOpen = onOpen;
    this.onVisible = onVisible;
    this.element = byId("streams");
    this.tiles = new Map();
    this.shown = [];
    this.current = null;
    this.observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "80px" });
    this.element.addEventListener("focusin", ({ target }) => {
      const tile = target.closest(".tile");
      if (tile) this.#setCurrent(tile.dataset.stream);
    });
  }

  /** Streams with a tile on the screen. */
  get visible() {
    return this.shown.filter((id) => this.tiles.get(id)?.visible);
  }

  arrange(filter) {
    const { store } = this;
    for (const id of this.tiles.keys()) {
      if (store.streams.has(id)) continue;
      this.observer.unobserve(this.tiles.get(id).element);
      this.tiles.delete(id);
    }
    for (const id of store.streams.keys()) {
      if (this.tiles.has(id)) continue;
      const tile = new Tile(id, { onOpen: () => this.onOpen(id) });
      this.tiles.set(id, tile);
      this.observer.observe(tile.element);
    }
    const all = [...store.streams.values()];
    this.shown = all.filter((stream) => filter.admits(stream, store.book)).map(({ id }) => id);
    setChildren(this.element, this.shown.map((id) => this.tiles.get(id).element));
    if (!this.shown.includes(this.current)) this.#setCurrent(this.shown[0] ?? null);
    setText(byId("shown"), `${this.shown.length} of ${all.length} streams`);
    setHidden(byId("empty"), this.shown.length > 0);
    setText(byId("empty"), all.length > 0 ? "No stream matches the filter. Esc clears it." : "No streams yet.");
  }

  draw(ids) {
    for (const id of ids) {
      const stream = this.store.streams.get(id);
      if (stream) this.tiles.get(id)?.draw(stream, this.store.book.open(id));
    }
  }

  tick() {
    this.draw(this.shown);
  }

  focus(id = this.current) {
    (this.tiles.get(id) ?? this.tiles.get(this.shown[0]))?.button.focus();
  }

  /** Returns whether the key meant something here. */
  move(key) {
    const at = this.shown.indexOf(this.current);
    if (at < 0) return false;
    const columns = this.#columns();
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -at, End: this.shown.length - 1 - at };
    if (!(key in steps)) return false;
    const to = at + steps[key];
    if (to >= 0 && to < this.shown.length) this.focus(this.shown[to]);
    return true;
  }

  #columns() {
    const tops = this.shown.map((id) => this.tiles.get(id).element.offsetTop);
    const second = tops.findIndex((top) => top !== tops[0]);
    return second < 0 ? tops.length : second;
  }

  #setCurrent(id) {
    const before = this.tiles.get(this.current);
    if (before) before.button.tabIndex = -1;
    this.current = id;
    const now = this.tiles.get(id);
    if (now) now.button.tabIndex = 0;
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const tile = this.tiles.get(target.dataset.stream);
      if (!tile || tile.visible === isIntersecting) continue;
      tile.visible = isIntersecting;
      if (isIntersecting) tile.face.watchFromNow();
    }
    this.draw(this.visible);
    this.onVisible();
  }
}
