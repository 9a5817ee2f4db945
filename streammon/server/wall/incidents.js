// The list of incidents, newest first: what, where, since when, why, and a picture of it.

import { acknowledge } from "./acknowledge.js";
import { byId, h, icon, setAttribute, setChildren, setHidden, setIcon, setText } from "./dom.js";
import { clock, plural, wallTime, words } from "./format.js";
import { kindIndex } from "./palette.js";

const MOST_SHOWN = 100;

class Row {
  constructor(incident, { onOpen, onAcknowledge, named }) {
    this.mark = icon(incident.severity);
    this.status = h("span", { class: "incident-status" });
    this.when = h("span", { class: "muted" });
    this.why = h("p", { class: "why" });
    this.picture = h("img", { class: "snapshot", alt: "", hidden: true });
    const title = named ? `${words(incident.kind)} on ${incident.stream}` : words(incident.kind);
    const about = `Acknowledge ${words(incident.kind)} on ${incident.stream}`;
    this.button = h("button", { type: "button", class: "tool", "aria-label": about, onclick: () => onAcknowledge(this) }, "Acknowledge");
    this.seen = h("span", { role: "status" });
    this.problem = "";
    this.element = h(
      "li",
      { class: "incident", "data-incident": incident.id, "data-kind": kindIndex(incident.kind) },
      this.mark,
      h(
        "div",
        { class: "incident-text" },
        h("h3", {}, onOpen ? h("button", { type: "button", onclick: onOpen }, title) : title),
        h("p", { class: "incident-meta" }, this.status, this.when),
        this.why,
        h("p", { class: "incident-seen" }, this.button, this.seen),
      ),
      this.picture,
    );
  }

  show(incident, url, { possible, word, waits }) {
    setIcon(this.mark, incident.open ? incident.severity : "closed");
    setAttribute(this.element, "data-severity", incident.severity);
    setAttribute(this.element, "data-open", String(incident.open));
    setAttribute(this.element, "data-alerts", incident.alertIds.join(" "));
    setText(this.status, statusOf(incident));
    setText(this.when, `${wallTime(incident.openedMs)} · ${clock(lasting(incident) / 1000)}`);
    setText(this.why, incident.why);
    setAttribute(this.element, "data-acknowledged", String(possible && !waits));
    setHidden(this.button, !possible || !waits);
    setText(this.seen, (waits && this.problem) || sentence(word, waits));
    if (url && this.picture.getAttribute("src") !== url) {
      this.picture.src = url;
      this.picture.alt = `Picture when ${words(incident.kind)} opened on ${incident.stream}`;
    }
    setHidden(this.picture, !url);
  }
}

function sentence(word, waits) {
  if (!word) return "";
  const said = `acknowledged by ${word.by}, ${wallTime(Date.parse(word.time))}`;
  return waits ? `worse since it was ${said}` : said;
}

const lasting = (incident) => (incident.open ? Date.now() : incident.toldMs) - incident.openedMs;

function statusOf(incident) {
  if (incident.open) return incident.severity;
  return incident.ended ? "closed" : "no longer followed";
}

/** A list in a page element; `stream` null means those of all streams. */
export class IncidentList {
  constructor(element, { store, snapshots, onOpen = null }) {
    Object.assign(this, { element, store, snapshots, onOpen });
    this.rows = new Map();
  }

  draw(incidents) {
    const wanted = incidents.slice(0, MOST_SHOWN).map((incident) => {
      let row = this.rows.get(incident.id);
      if (!row) {
        const onOpen = this.onOpen ? () => this.onOpen(incident.stream) : null;
        const onAcknowledge = (pressed) => this.#acknowledge(incident, pressed);
        row = new Row(incident, { onOpen, onAcknowledge, named: this.onOpen !== null });
        this.rows.set(incident.id, row);
      }
      const seen = this.store.streams.get(incident.stream)?.modalities.has("video") ?? false;
      row.show(incident, seen ? this.snapshots.url(incident.id) : null, this.store.book.standing(incident));
      return row.element;
    });
    setChildren(this.element, wanted);
    if (this.rows.size > 4 * MOST_SHOWN) this.#forget(incidents);
  }

  async #acknowledge(incident, row) {
    row.button.disabled = true;
    row.problem = "";
    try {
      const word = await acknowledge(incident.id);
      if (word !== null) this.store.book.takeAcknowledged([word]);
    } catch (error) {
      row.problem = `not acknowledged: ${error.message}`;
      this.store.book.changed = true;
    }
    row.button.disabled = false;
    this.store.touch(incident.stream);
  }

  #forget(incidents) {
    const kept = new Set(incidents.slice(0, MOST_SHOWN).map(({ id }) => id));
    for (const id of this.rows.keys()) if (!kept.has(id)) this.rows.delete(id);
  }
}

/** The panel beside the grid. */
export class IncidentPanel {
  constructor(store, { snapshots, onOpen }) {
    this.store = store;
    this.list = new IncidentList(byId("incident-list"), { store, snapshots, onOpen });
  }

  draw(filter) {
    const all = this.store.book.list();
    const incidents = all.filter((incident) => filter.admitsIncident(incident));
    const open = this.store.book.open();
    setText(byId("open-count"), String(open.length));
    setAttribute(byId("open-count"), "data-severity", open[0]?.severity ?? "none");
    const older = incidents.length > MOST_SHOWN ? `, the newest ${MOST_SHOWN} shown` : "";
    setText(byId("incidents-count"), `${open.length} open, ${plural(incidents.length, "incident")}${older}`);
    setText(byId("incidents-empty"), all.length > 0 ? "No incident matches the filter." : "No incident so far.");
    setHidden(byId("incidents-empty"), incidents.length > 0);
    this.list.draw(incidents);
  }
}
