// One stream, large: its picture, scores, history, incidents, and what the monitor knows of it.

import { getBlob } from "./api.js";
import { byId, h, icon, setAttribute, setHidden, setIcon, setText } from "./dom.js";
import { Face } from "./face.js";
import { ago, words } from "./format.js";
import { IncidentList } from "./incidents.js";
import { Live } from "./live.js";
import { kindIndex } from "./palette.js";
import { DetectorCards, setFacts } from "./scores.js";
import { Timeline } from "./timeline.js";

const HISTORY_S = 300;
const CLIP_S = 20;
const LIVE = "Live (WebRTC)";

export class FocusView {
  constructor(id, { store, snapshots, onClose, onStep }) {
    this.id = id;
    this.store = store;
    this.path = "–";
    this.face = new Face(id, { large: true });
    this.timeline = new Timeline({ most: HISTORY_S, axes: true });
    this.legend = h("ul", { class: "legend", "aria-label": "Lines of the history" });
    this.cards = new DetectorCards();
    this.facts = h("dl", { class: "facts" });
    this.incidents = new IncidentList(h("ol", { class: "incident-list" }), { store, snapshots });
    this.noIncident = h("p", { class: "muted" }, "No incident on this stream so far.");
    this.stateIcon = icon("starting");
    this.stateText = h("span");
    this.cause = h("p", { class: "cause", hidden: true });
    this.clipNote = h("span", { class: "muted", role: "status" });
    this.clip = h("button", { type: "button", class: "tool", onclick: () => this.#saveClip() }, `Save the last ${CLIP_S} s`);
    this.back = tool("back", "All streams", "Back to all streams (Esc)", onClose);
    this.previous = tool("back", "", "Previous stream (←)", () => onStep(-1));
    this.next = tool("next", "", "Next stream (→)", () => onStep(1));
    this.live = new Live(id, { onState: (state, why) => this.#liveBecame(state, why) });
    this.liveNote = h("span", { class: "muted", role: "status" });
    this.liveButton = h("button", { type: "button", class: "tool", "aria-pressed": "false", hidden: true, onclick: () => this.#toggleLive() }, LIVE);
    this.element = this.#assemble();
  }

  /** It is shown no longer: what was kept up for it ends. */
  leave() {
    this.live.stop();
  }

  #assemble() {
    const stage = h("div", { class: "stage" }, this.live.video, this.face.element, this.cause, this.legend, this.timeline.element);
    return h(
      "div",
      { class: "focus-view", "data-stream": this.id },
      h(
        "header",
        { class: "focus-bar" },
        this.back,
        h("h2", { tabindex: "-1" }, this.id),
        h("span", { class: "state" }, this.stateIcon, this.stateText),
        h("div", { class: "tools" },
          this.liveNote,
          this.liveButton,
          this.previous,
          this.next,
          tool("full", "", "Full screen (F)", () => this.toggleFullScreen()),
        ),
      ),
      h(
        "div",
        { class: "focus-body" },
        stage,
        h(
          "div",
          { class: "focus-side" },
          h("section", {}, h("h3", { class: "section" }, "Detectors"), this.cards.element),
          h("section", {}, h("h3", { class: "section" }, "Incidents"), this.noIncident, this.incidents.element),
          h("section", {}, h("h3", { class: "section" }, "Stream"), this.facts, h("p", { class: "clip" }, this.clip, this.clipNote)),
        ),
      ),
    );
  }

  draw() {
    const stream = this.store.streams.get(this.id);
    if (!stream) return;
    const { state, cause } = stream.health;
    setAttribute(this.element, "data-state", state);
    setAttribute(this.element, "data-alarm", this.store.book.open(this.id)[0]?.severity ?? "none");
    setIcon(this.stateIcon, state);
    setText(this.stateText, state);
    setText(this.cause, cause);
    setHidden(this.cause, cause === "");
    setHidden(this.clip, !stream.canClip);
    if (state === "ended" || state === "failed") this.live.ended(`The stream has ${state}.`);
    setHidden(this.liveButton, !this.store.live || !(stream.modalities.has("video") || stream.modalities.has("audio")));
    this.face.draw(stream, this.store.book.open(this.id));
    this.cards.draw(stream);
    this.#drawLegend(stream.kinds);
    const incidents = this.store.book.list().filter((incident) => incident.stream === this.id);
    setHidden(this.noIncident, incidents.length > 0);
    this.incidents.draw(incidents);
    this.tick();
  }

  tick() {
    const stream = this.store.streams.get(this.id);
    if (!stream) return;
    const { age } = this.face.tick(stream);
    this.timeline.draw(stream.histories);
    setFacts(this.facts, [
      ["carries", [...stream.modalities].map(words).join(", ") || "–"],
      ["detectors", stream.detectors.map(words).join(", ") || "–"],
      ["epoch", String(stream.epoch)],
      ["media time", `${stream.mediaS.toFixed(1)} s`],
      ["last shown", ago(age) || "–"],
      ["pictures", this.path],
      ...linkFacts(stream.link),
    ]);
  }

  /** How its pictures come: `path` in a word, `title` in full. */
  say({ path, title }) {
    this.path = title;
    setAttribute(this.element, "data-path", path);
  }

  toggleFullScreen() {
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    else byId("focus").requestFullscreen?.().catch(() => {}); // the browser may forbid it
  }

  #toggleLive() {
    if (this.live.state === "off") this.live.start();
    else this.live.stop();
  }

  /** While it is live, that takes the place of the picture that comes anyway. */
  #liveBecame(state, why) {
    const live = state === "live";
    setAttribute(this.liveButton, "aria-pressed", String(state !== "off"));
    setText(this.liveButton, { off: LIVE, connecting: "Connecting …", live: "End live" }[state]);
    setText(this.liveNote, why);
    setHidden(this.face.main, live && this.store.streams.get(this.id)?.face === "video");
  }

  #drawLegend(kinds) {
    if (this.legend.childElementCount === kinds.length) return;
    const rows = kinds.map((kind) =>
      h("li", { "data-kind": kindIndex(kind) }, h("span", { class: "swatch", "aria-hidden": "true" }), words(kind)),
    );
    this.legend.replaceChildren(...rows);
  }

  async #saveClip() {
    const stream = this.store.streams.get(this.id);
    const end = stream.mediaS;
    const query = new URLSearchParams({ epoch: stream.epoch, start_s: Math.max(0, end - CLIP_S).toFixed(3), end_s: end.toFixed(3) });
    setText(this.clipNote, "cutting …");
    try {
      const blob = await getBlob(`/api/streams/${encodeURIComponent(this.id)}/clip?${query}`);
      const url = URL.createObjectURL(blob);
      const extension = { "video/mp4": "mp4", "video/x-matroska": "mkv", "video/webm": "webm", "video/mp2t": "ts" }[blob.type] ?? "bin";
      h("a", { href: url, download: `${this.id}-${end.toFixed(0)}s.${extension}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      setText(this.clipNote, "saved");
    } catch {
      setText(this.clipNote, "not kept any more");
    }
  }
}

function tool(name, text, title, onclick) {
  const label = text ? h("span", {}, text) : h("span", { class: "quiet" }, title);
  return h("button", { type: "button", class: text ? "tool" : "tool icon-only", title, onclick }, icon(name), label);
}

/** How the media of a publisher come in; nothing for a stream that is fetched. */
function linkFacts(link) {
  if (!link) return [];
  return [
    ["codecs", link.codecs.join(", ") || "–"],
    ["bit rate", `${Math.round(link.kbit_s)} kbit/s, ${Math.round(link.frames_per_s)} pictures/s`],
    ["lost", `${(100 * link.lost_share).toFixed(1)} %`],
    ["jitter", `${Math.round(1000 * link.jitter_s)} ms`],
    ["newest frame", link.frame_age_s === null ? "–" : `${link.frame_age_s.toFixed(1)} s old`],
    ["in step by", link.clock],
  ];
}

/** Shows one stream instead of the grid, or the grid again. */
export class Focus {
  constructor({ store, snapshots, grid, onChange }) {
    Object.assign(this, { store, snapshots, grid, onChange });
    this.view = null;
    addEventListener("pagehide", () => this.view?.leave());
  }

  get id() {
    return this.view?.id ?? null;
  }

  /** `held`: which of its buttons has the keyboard then. */
  open(id, held = "back") {
    if (this.id === id || !this.store.streams.has(id)) return;
    this.view?.leave();
    this.view = new FocusView(id, {
      store: this.store,
      snapshots: this.snapshots,
      onClose: () => this.close(),
      onStep: (step) => this.step(step),
    });
    byId("focus").replaceChildren(this.view.element);
    this.#swap(true);
    this.view.draw();
    this.view[held].focus({ preventScroll: true });
    scrollTo(0, 0);
    this.onChange();
  }

  close() {
    if (this.view === null) return;
    const { id } = this.view;
    this.view.leave();
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
    this.view = null;
    byId("focus").replaceChildren();
    this.#swap(false);
    this.onChange();
    this.grid.focus(id);
  }

  step(by) {
    const { shown } = this.grid;
    if (shown.length === 0) return;
    const at = shown.indexOf(this.id);
    const from = at < 0 && by < 0 ? 0 : at; // before the first comes the last
    const held = ["previous", "next"].find((name) => this.view[name] === document.activeElement);
    this.open(shown[(from + by + shown.length) % shown.length], held);
  }

  /** Lets go of a stream that the monitor no longer has: its last picture is not the present. */
  check() {
    if (this.id !== null && !this.store.streams.has(this.id)) this.close();
  }

  #swap(large) {
    setHidden(byId("wall"), large);
    setHidden(byId("focus"), !large);
  }
}
