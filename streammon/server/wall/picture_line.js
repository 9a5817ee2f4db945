// The connection for pictures and meters: open only while something is looked at.

import { Connection } from "./connection.js";

const GATHER_MS = 120;
const MOST_STREAMS = 200;
const MOST_BYTES = 15_000; // the server takes messages of 16 KiB
const LEAST_MS = 700; // between two subscriptions: the server takes two a second

export class PictureLine {
  /** `wanted()`: { streams, large: one is shown alone, live: and plays by itself, without us }. */
  constructor({ subprotocols, store, paths, players, wanted }) {
    Object.assign(this, { store, paths, players, wanted });
    this.asked = ""; // what the server was asked for, as JSON
    this.timer = null;
    this.askedAt = -Infinity;
    this.connection = new Connection({
      subprotocols,
      onMessage: (data) => this.#take(data),
      onState: (state) => {
        if (state === "lost") this.players.only(new Map());
      },
    });
  }

  /** Follows what is wanted after a moment: going from the grid to one stream is one change, not three. */
  follow() {
    if (this.#wish().text === this.asked) return;
    const restMs = this.askedAt + LEAST_MS - performance.now();
    this.timer ??= setTimeout(() => this.#apply(), Math.max(GATHER_MS, restMs));
  }

  #wish() {
    const { streams, large, live } = this.wanted();
    const ids = [...streams].sort().slice(0, MOST_STREAMS);
    const pictures = [...this.paths.choose(live ? [] : streams, { large })];
    const message = () => ({
      type: "subscribe",
      streams: ids,
      events: live ? ["meter"] : ["overlay", "meter"],
      alerts_after: null,
      recent_alerts: 0,
      pictures: Object.fromEntries([...pictures].sort(([a], [b]) => (a < b ? -1 : 1))),
    });
    while (pictures.length > 0 && bytes(message()) > MOST_BYTES) this.paths.chosen.delete(pictures.pop()[0]);
    while (bytes(message()) > MOST_BYTES) ids.pop();
    return { ids, pictures: new Map(pictures), text: ids.length > 0 ? JSON.stringify(message()) : "" };
  }

  #apply() {
    this.timer = null;
    const { ids } = this.#wish();
    if (ids.length === 0) {
      this.asked = "";
      this.players.only(new Map());
      this.connection.stop();
    } else if (this.connection.socket === null) this.connection.start();
    else this.#subscribe();
  }

  #subscribe() {
    const { pictures, text } = this.#wish();
    if (text === "") return;
    this.askedAt = performance.now();
    this.asked = text;
    this.players.only(pictures);
    this.connection.send(JSON.parse(text));
  }

  #take(data) {
    if (typeof data === "string") {
      const message = JSON.parse(data);
      if (message.type === "hello") this.#subscribe();
      else if (message.type === "coding") this.players.configure(message);
      else this.store.take(message);
      return;
    }
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const body = new Uint8Array(data, 4 + length);
    if (header.type === "packet") this.players.take(header, body);
    else if (header.type === "overlay") this.store.takeOverlay(header, body);
  }
}

const bytes = (message) => new TextEncoder().encode(JSON.stringify(message)).length;
