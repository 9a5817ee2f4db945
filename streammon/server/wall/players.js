// The players of all streams that come as packets, and what of them is on the screen.

import { Player } from "./player.js";

const SILENT_MS = 8_000; // without a picture, though the stream is up: something else has to do
const SPARSE_MS = 5_000; // keyframes further apart than this do not do as a moving picture

export class Players {
  /** `onPicture(id)`: another picture is to be shown; `onFail(id, why)`; `onSparse(id)`. */
  constructor(store, { onPicture, onFail, onSparse }) {
    Object.assign(this, { store, onPicture, onFail, onSparse });
    this.players = new Map();
    this.running = false;
    setInterval(() => this.#look(), 1_000);
  }

  /** Play these and no others; `wishes`: id -> { every_s }. */
  only(wishes) {
    for (const id of [...this.players.keys()]) if (!wishes.has(id)) this.#stop(id);
    for (const [id, wish] of wishes) {
      const keyframesOnly = wish.every_s !== undefined;
      const player = this.players.get(id);
      if (!player) this.players.set(id, new Player({ keyframesOnly, onFail: (why) => this.#fail(id, why) }));
      else if (player.keyframesOnly !== keyframesOnly) Object.assign(player, { keyframesOnly, startedAt: performance.now() });
    }
    this.#run();
  }

  configure(coding) {
    this.players.get(coding.stream)?.configure(coding);
  }

  take(header, data) {
    this.players.get(header.stream)?.take(header, data);
  }

  /** The codec that is decoded for this stream, or null. */
  codec(id) {
    return this.players.get(id)?.codec ?? null;
  }

  #run() {
    if (this.running || this.players.size === 0) return;
    this.running = true;
    requestAnimationFrame(() => {
      this.running = false;
      const nowS = performance.now() / 1000;
      for (const [id, player] of this.players) {
        const picture = player.due(nowS);
        if (picture === null) continue;
        if (!this.store.streams.has(id)) { // it has left; so will its player
          picture.frame.close();
          continue;
        }
        this.store.takeFrame(id, picture);
        this.onPicture(id);
      }
      this.#run();
    });
  }

  /** Once a second: who has been without a picture for too long. */
  #look() {
    if (document.hidden) return;
    const now = performance.now();
    for (const [id, player] of [...this.players]) {
      if (this.store.streams.get(id)?.health.state !== "up") player.startedAt = now;
      const silentMs = now - Math.max(player.startedAt, player.decodedAt ?? 0);
      if (player.keyframesOnly && silentMs > SPARSE_MS) this.onSparse(id);
      else if (player.decodedAt === null && silentMs > SILENT_MS) this.#fail(id, "no picture could be decoded");
    }
  }

  #stop(id) {
    this.players.get(id)?.close();
    this.players.delete(id);
    this.store.dropFrame(id);
  }

  #fail(id, why) {
    this.#stop(id);
    this.onFail(id, why);
  }
}
