// One WebSocket that comes back by itself.

const FIRST_S = 0.5;
const MOST_S = 15;
const HEALTHY_AFTER_MS = 5_000;
const SILENT_MS = 45_000;
const ANSWER_MS = 10_000; // a browser by itself waits for minutes
const BAD_TOKEN = 4401;

/**
 * Calls `onMessage(data)`, `onState(state, { retryAt })` with `connecting`, `open`, `lost` or
 * `refused` (the token was not accepted: it stays down until `start`).
 */
export class Connection {
  constructor({ subprotocols, onMessage, onState }) {
    Object.assign(this, { subprotocols, onMessage, onState });
    this.socket = null;
    this.timer = null;
    this.attempt = 0;
    this.openedAt = 0;
    this.heardAt = 0;
    this.wanted = false;
    setInterval(() => this.#watch(), 5_000);
  }

  start() {
    this.wanted = true;
    if (this.socket !== null) return;
    clearTimeout(this.timer);
    this.timer = null;
    this.onState("connecting", {});
    const address = new URL("/ws", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address, this.subprotocols());
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.heardAt = performance.now();
    socket.onopen = () => {
      this.openedAt = this.heardAt = performance.now();
    };
    socket.onmessage = ({ data }) => {
      this.heardAt = performance.now();
      if (this.socket === socket) this.onMessage(data);
    };
    socket.onclose = ({ code }) => this.#closed(socket, code);
  }

  stop() {
    this.wanted = false;
    clearTimeout(this.timer);
    this.timer = null;
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  /** Try now instead of when the pause is over, or an attempt that has had no answer so far. */
  hurry() {
    const { socket } = this;
    if (!this.wanted || socket?.readyState === WebSocket.OPEN) return;
    this.socket = null;
    socket?.close();
    this.start();
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  #closed(socket, code) {
    if (this.socket !== socket) return; // it was let go of before
    this.socket = null;
    if (code === BAD_TOKEN) {
      this.wanted = false;
      this.onState("refused", {});
      return;
    }
    const healthy = this.openedAt > 0 && performance.now() - this.openedAt > HEALTHY_AFTER_MS;
    this.attempt = healthy ? 0 : this.attempt + 1;
    this.openedAt = 0;
    const ceiling = Math.min(MOST_S, FIRST_S * 2 ** Math.min(this.attempt, 10));
    const pauseMs = 1000 * (ceiling / 2 + (Math.random() * ceiling) / 2);
    this.onState("lost", { retryAt: performance.now() + pauseMs });
    this.timer = setTimeout(() => this.start(), pauseMs);
  }

  /** A peer that vanished without a word, or never had one, is found out by its silence. */
  #watch() {
    const socket = this.socket;
    if (socket === null) return;
    const patienceMs = socket.readyState === WebSocket.OPEN ? SILENT_MS : ANSWER_MS;
    if (performance.now() - this.heardAt < patienceMs) return;
    this.#closed(socket, 1006);
    socket.close();
  }
}
