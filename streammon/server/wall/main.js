// Puts the parts of the page together.

import { Alarm } from "./alarm.js";
import { getJson, setToken, subprotocols, takeTokenFromAddress, token, tokenNeeded } from "./api.js";
import { Connection } from "./connection.js";
import { byId, setAttribute, setHidden, setText } from "./dom.js";
import { Filters } from "./filters.js";
import { Focus } from "./focus.js";
import { Grid } from "./grid.js";
import { IncidentPanel } from "./incidents.js";
import { listenToKeys } from "./keyboard.js";
import { Paths } from "./paths.js";
import { PictureLine } from "./picture_line.js";
import { Players } from "./players.js";
import { Snapshots } from "./snapshots.js";
import { Status } from "./status.js";
import { Store } from "./store.js";
import { Looks } from "./theme.js";
import { TokenPrompt } from "./token.js";

const POLL_MS = 10_000;
const TICK_MS = 1_000;
const NARROW = matchMedia("(max-width: 1099px)");

const store = new Store();
const paths = new Paths(store);
const players = new Players(store, {
  onPicture: (id) => viewOf(id)?.face.paint(store.streams.get(id), store.book.open(id)),
  onFail: (id, why) => {
    paths.fall(id, why);
    pictures.follow();
  },
  onSparse: (id) => {
    paths.tooSparse(id);
    pictures.follow();
  },
});
const pictures = new PictureLine({
  subprotocols,
  store,
  paths,
  players,
  wanted: () => ({ streams: wantedPictures(), large: focus.id !== null, live: isLive() }),
});
const snapshots = new Snapshots(() => drawIncidents());
const filters = new Filters(() => arrange());
const grid = new Grid(store, { onOpen: (id) => focus.open(id), onVisible: () => pictures.follow() });
const focus = new Focus({ store, snapshots, grid, onChange: focusChanged });
const panel = new IncidentPanel(store, { snapshots, onOpen: (id) => focus.open(id) });
const alarm = new Alarm(store.book, { onOpen: (id) => focus.open(id) });
const status = new Status({ onRetry: () => events.hurry() });
const looks = new Looks(() => tick());
const prompt = new TokenPrompt((value) => {
  setToken(value);
  events.start();
});

// Alerts and results have a connection of their own: behind pictures on a slow line they would
// come late.
const events = new Connection({
  subprotocols,
  onMessage: (data) => takeEvent(JSON.parse(data)),
  onState: (state, more) => {
    status.link(state, more);
    if (state !== "connecting") pictures.follow();
    if (state === "refused") prompt.ask(token() === null ? "" : "The monitor refused this token.");
  },
});

function wantedPictures() {
  if (document.hidden || document.documentElement.dataset.link !== "live") return [];
  return focus.id === null ? grid.visible : [focus.id];
}

/** Whether the large view plays its stream by WebRTC. */
function isLive() {
  return focus.view?.live.state === "live";
}

/** What shows this stream now: the large view, or its tile. */
function viewOf(id) {
  if (focus.id !== null) return focus.id === id ? focus.view : undefined;
  return grid.tiles.get(id);
}

function sayPaths() {
  for (const id of wantedPictures()) {
    const codec = players.codec(id);
    const { path, title } = isLive() ? { path: "live", title: "Live, drawn upon by the server (WebRTC)" } : paths.of(id);
    if (store.streams.get(id)?.face === "video") viewOf(id)?.say({ path, title: codec ? `${title} (${codec})` : title });
  }
}

function takeEvent(message) {
  if (message.type === "hello") greet(message);
  else if (message.type === "gap") status.gap();
  else {
    const change = store.take(message);
    if (change) alarm.tell(change);
  }
}

/** A connection begins: learn what is, then take alerts from where we were cut off. */
async function greet(hello) {
  alarm.monitor = hello.monitor ? `${hello.monitor} · streammon` : "streammon";
  setText(byId("monitor"), hello.monitor ?? "");
  const moderated = (hello.pages ?? []).includes("moderation");
  setHidden(byId("moderation"), !moderated);
  if (moderated) byId("moderation").href = "/moderation"; // elsewhere there is no such page
  const { socket } = events;
  let open = null;
  try {
    open = await refresh();
  } catch {
    // It answers again with the next poll; until then every incident counts as it was told.
  }
  if (events.socket !== socket) return; // lost again meanwhile
  store.book.greet({ seq: hello.last_alert_seq ?? 0, session: hello.session, open });
  const resume = { alerts_after: store.book.lastAlertId, recent_alerts: 200 };
  events.send({ type: "subscribe", streams: ["*"], events: ["alert", "result", "health"], ...resume });
  status.link("live");
  drawIncidents();
  openFromAddress();
  pictures.follow();
}

/** `#stream=name` in the address opens that stream. */
function openFromAddress() {
  const wanted = new URLSearchParams(location.hash.slice(1)).get("stream");
  if (wanted !== null) focus.open(wanted);
}

/** Ask for the streams, the open incidents and the parts. Returns the newest alerts of the open ones. */
async function refresh() {
  const askedAt = performance.now();
  const [streams, incidents, state] = await Promise.all([
    getJson("/api/streams"),
    getJson("/api/incidents"),
    getJson("/api/status"),
  ]);
  const before = [...store.streams.keys()].join("\n");
  store.takeStreams(streams.streams, askedAt);
  store.takeStatus(state, askedAt);
  store.book.takeAcknowledged(incidents.acknowledged);
  if ([...store.streams.keys()].join("\n") !== before) {
    arrange();
    focus.check();
  }
  return incidents.incidents;
}

async function poll() {
  if (document.documentElement.dataset.link !== "live") return;
  const askedAt = performance.now();
  try {
    const openIds = new Set((await refresh()).map(({ incident_id }) => incident_id));
    if (store.book.reconcile(openIds, askedAt) || store.book.changed) drawIncidents();
  } catch {
    return; // the connection tells when the server is gone
  }
}

store.subscribe((changed) => {
  filters.learn([...changed].flatMap((id) => store.streams.get(id)?.kinds ?? []));
  if ([...changed].some((id) => id !== "" && !grid.tiles.has(id)) || filters.active) arrange();
  if (focus.id === null) grid.draw(changed);
  else if (changed.has(focus.id)) focus.view.draw();
  if (changed.has("")) status.parts(store.parts);
  if (store.book.changed) drawIncidents();
});

function drawIncidents() {
  store.book.changed = false;
  filters.learn(store.book.list().map(({ kind }) => kind));
  panel.draw(filters);
  alarm.draw();
}

function arrange() {
  grid.arrange(filters);
  grid.draw(grid.shown);
  panel.draw(filters);
}

function tick() {
  pictures.follow(); // who has an open incident comes first
  if (document.hidden) return;
  sayPaths();
  if (focus.id === null) grid.tick();
  else focus.view.draw();
  panel.draw(filters);
}

function focusChanged() {
  const fragment = focus.id === null ? "" : `#stream=${encodeURIComponent(focus.id)}`;
  history.replaceState(null, "", location.pathname + location.search + fragment);
  pictures.follow();
  if (NARROW.matches) showIncidents(false);
}

function showIncidents(shown) {
  setAttribute(byId("body"), "data-incidents", String(shown));
  setAttribute(byId("incidents-toggle"), "aria-expanded", String(shown));
}

const incidentsShown = () => byId("incidents-toggle").getAttribute("aria-expanded") === "true";

function clearFilter() {
  filters.clear();
  arrange();
  grid.focus();
}

listenToKeys({
  leave: () => {
    if (NARROW.matches && incidentsShown()) showIncidents(false);
    else if (focus.id !== null) focus.close();
    else if (filters.active) clearFilter();
  },
  clearFilter,
  toStreams: () => grid.focus(),
  toFilter: () => {
    focus.close();
    filters.name.focus();
    filters.name.select();
  },
  help: () => byId("help").showModal(),
  openOnly: () => {
    filters.openOnly.checked = !filters.openOnly.checked;
    arrange();
  },
  newestIncident: () => {
    const [newest] = store.book.list();
    if (newest) focus.open(newest.stream);
  },
  incidents: () => showIncidents(!incidentsShown()),
  density: () => looks.nextDensity(),
  theme: () => looks.nextTheme(),
  fullScreen: () => focus.view?.toggleFullScreen(),
  move: (key) => {
    if (focus.id === null) return grid.move(key);
    if (key === "ArrowLeft" || key === "ArrowRight") focus.step(key === "ArrowLeft" ? -1 : 1);
    return key === "ArrowLeft" || key === "ArrowRight";
  },
});

byId("help-open").addEventListener("click", () => byId("help").showModal());
byId("incidents-toggle").addEventListener("click", () => showIncidents(!incidentsShown()));
byId("incidents-close").addEventListener("click", () => showIncidents(false));
document.addEventListener("visibilitychange", () => {
  pictures.follow();
  tick();
});
NARROW.addEventListener("change", () => showIncidents(!NARROW.matches));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tick);
addEventListener("hashchange", openFromAddress);
addEventListener("online", () => events.hurry());
setInterval(tick, TICK_MS);
setInterval(() => status.tick(), TICK_MS / 4);
setInterval(poll, POLL_MS);

showIncidents(!NARROW.matches);
takeTokenFromAddress();
try {
  if ((await tokenNeeded()) && token() === null) prompt.ask("");
  else events.start();
} catch {
  events.start(); // it is away: the connection goes on trying and says so
}
