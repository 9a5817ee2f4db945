// Incidents out of alerts. An alert may come twice (after a reconnect); it counts once.

const MOST_INCIDENTS = 500;
const MOST_IDS = 5_000;
const MOST_OF_ONE = 400; // alerts of one incident whose ids are kept
const RANK = { critical: 3, warning: 2, info: 1 };

export class IncidentBook {
  constructor() {
    this.incidents = new Map(); // id -> incident, oldest first
    this.seen = new Set();
    this.lastAlertId = null;
    this.openAtHello = null; // ids that were open when this connection began
    this.helloSeq = 0;
    this.firstSeq = null; // alerts up to this one were told before the page was opened
    this.session = null;
    this.acknowledged = null; // id -> { by, time, severity }; null: nobody can say so here
    this.changed = false; // set with every change, cleared by who drew it
  }

  /**
   * A connection begins: what was told before `seq` is history, unless it is among `open`, the
   * newest alerts of the incidents that are open (null: not known). Those are in the book from now
   * on: more alerts than the monitor tells again may have come since.
   */
  greet({ seq, session, open }) {
    this.helloSeq = seq;
    if (session !== this.session) this.firstSeq = seq; // numbers of another outbox mean nothing
    this.session = session;
    this.openAtHello = open && new Set(open.map(({ incident_id }) => incident_id));
    for (const incident of this.incidents.values()) {
      if (incident.open && open && !this.openAtHello.has(incident.id)) lapse(incident);
    }
    for (const alert of open ?? []) if (!this.incidents.has(alert.incident_id)) this.#note(alert);
  }

  /** The open incidents as the monitor has them; asked at `askedAt`. Returns whether any lapsed. */
  reconcile(openIds, askedAt) {
    let changed = false;
    for (const incident of this.incidents.values()) {
      if (!incident.open || openIds.has(incident.id) || incident.at > askedAt) continue;
      lapse(incident);
      changed = true;
    }
    return changed;
  }

  /** Returns null for an alert seen before, else { incident, news } with `opened`, `risen`, ... */
  take(alert) {
    this.lastAlertId = alert.alert_id;
    if (this.seen.has(alert.alert_id)) return null;
    this.seen.add(alert.alert_id);
    if (this.seen.size > MOST_IDS) this.seen.delete(this.seen.values().next().value);
    const before = this.incidents.get(alert.incident_id);
    const risen = before && RANK[alert.severity] > RANK[before.severity];
    return { incident: this.#note(alert), news: this.#news(alert, before, risen) };
  }

  /** The incident as this alert has it, in the book. */
  #note(alert) {
    const incident = this.incidents.get(alert.incident_id) ?? {
      id: alert.incident_id,
      stream: alert.stream,
      kind: alert.kind,
      participant: alert.participant,
      openedS: alert.opened_s,
      epoch: alert.epoch,
      alertIds: [],
    };
    const toldMs = Date.parse(alert.captured_at ?? alert.time ?? "") || Date.now();
    const lastedMs = 1000 * Math.max(0, alert.media_s - alert.opened_s);
    Object.assign(incident, {
      severity: alert.severity,
      level: alert.evidence_level,
      why: alert.why,
      mediaS: alert.media_s,
      open: alert.state !== "closed" && this.#stillOpen(alert),
      ended: alert.state === "closed",
      results: alert.results,
      openedMs: incident.openedMs ?? toldMs - lastedMs,
      toldMs,
      at: performance.now(),
    });
    if (!incident.alertIds.includes(alert.alert_id)) incident.alertIds.push(alert.alert_id);
    if (incident.alertIds.length > MOST_OF_ONE) incident.alertIds.shift();
    this.incidents.set(incident.id, incident);
    this.changed = true;
    if (this.incidents.size > MOST_INCIDENTS) {
      const all = [...this.incidents.values()];
      this.incidents.delete((all.find(({ open }) => !open) ?? all[0]).id);
    }
    return incident;
  }

  /** What is new in it for someone who has been looking since the page was opened. */
  #news({ seq, state }, before, risen) {
    if (seq !== undefined && seq <= this.firstSeq) return "history";
    if (state === "closed") return "closed";
    if (!before) return "opened";
    return risen ? "risen" : state;
  }

  /** What somebody has seen, as the monitor has it; null or undefined: nobody can say so there. */
  takeAcknowledged(list) {
    if (!list) return;
    this.acknowledged ??= new Map();
    for (const word of list) {
      const known = this.acknowledged.get(word.incident_id);
      if (known?.time === word.time || RANK[known?.severity] > RANK[word.severity]) continue;
      this.acknowledged.set(word.incident_id, word);
      this.changed = true;
    }
    while (this.acknowledged.size > 2 * MOST_INCIDENTS) {
      this.acknowledged.delete(this.acknowledged.keys().next().value);
    }
  }

  /** Whether it can be acknowledged, who has, and whether it waits: nobody has, or it is worse since. */
  standing(incident) {
    const word = this.acknowledged?.get(incident.id);
    const waits = !word || RANK[incident.severity] > RANK[word.severity];
    return { possible: this.acknowledged !== null, word, waits };
  }

  /** Newest first. */
  list() {
    return [...this.incidents.values()].reverse().sort((a, b) => b.openedMs - a.openedMs);
  }

  /** The open ones, most severe and newest first. */
  open(stream = null) {
    return [...this.incidents.values()]
      .filter((incident) => incident.open && (stream === null || incident.stream === stream))
      .sort((a, b) => RANK[b.severity] - RANK[a.severity] || b.openedMs - a.openedMs);
  }

  /** An old alert that says "open" may be of a run that ended without a word. */
  #stillOpen(alert) {
    const old = alert.seq !== undefined && alert.seq <= this.helloSeq;
    return !old || this.openAtHello === null || this.openAtHello.has(alert.incident_id);
  }
}

function lapse(incident) {
  incident.open = false;
  incident.ended = false;
}
