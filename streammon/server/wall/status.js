// Is what is on the screen true? The connection, the monitor's parts, and gaps in the alerts.

import { byId, setAttribute, setHidden, setText } from "./dom.js";
import { words } from "./format.js";

export class Status {
  constructor({ onRetry }) {
    this.retryAt = null;
    byId("retry").addEventListener("click", onRetry);
    byId("gap-close").addEventListener("click", () => setHidden(byId("gap"), true));
  }

  /** `connecting`, `live`, `lost`, `refused`; with `lost`, when it is tried again. */
  link(state, { retryAt = null } = {}) {
    const text = { connecting: "connecting", live: "live", lost: "connection lost", refused: "token needed" }[state];
    if (state === "connecting" && this.retryAt !== null) return; // still lost, as people see it
    setAttribute(byId("link"), "data-state", state);
    setText(byId("link-text"), text);
    setAttribute(document.documentElement, "data-link", state);
    this.retryAt = state === "lost" ? retryAt : null;
    setHidden(byId("lost"), state !== "lost");
    this.tick();
  }

  tick() {
    if (this.retryAt === null) return;
    const seconds = Math.ceil((this.retryAt - performance.now()) / 1000);
    const when = seconds > 0 ? `retrying in ${seconds} s` : "retrying now";
    setText(byId("lost-text"), `Connection lost, ${when}. What is shown may be out of date.`);
  }

  gap() {
    setText(byId("gap-text"), "Some alerts from while the connection was away are no longer kept by the monitor. The list of incidents may have holes.");
    setHidden(byId("gap"), false);
  }

  parts(parts) {
    const troubled = [...parts.values()].filter(({ state }) => !["up", "ended"].includes(state));
    const text = troubled.map(({ component, state, cause }) => `${words(component.replace(":", " "))} ${state}${cause ? `: ${cause}` : ""}`);
    setText(byId("parts-text"), text.join("  ·  "));
    setHidden(byId("parts"), troubled.length === 0);
    const failed = troubled.some(({ state }) => state === "failed");
    setAttribute(byId("parts"), "data-state", failed ? "failed" : "degraded");
  }
}
