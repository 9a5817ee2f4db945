// Puts the call guard together: share, publish, watch what is said of it, tell.

import { getJson, setToken, subprotocols, takeTokenFromAddress, token, tokenNeeded } from "./api.js";
import { IncidentBook } from "./book.js";
import { Connection } from "./connection.js";
import { byId, h, setAttribute, setChildren, setHidden, setText } from "./dom.js";
import { clock, wallTime } from "./format.js";
import { CallAlarm } from "./guard_alarm.js";
import { CheckList, Checks, drawFaces, overall } from "./guard_checks.js";
import { CompactView } from "./guard_compact.js";
import { Publisher } from "./guard_publish.js";
import { shareCall, shareCamera, shareFile } from "./guard_share.js";
import { alarmOf, TROUBLE, verdictOf } from "./guard_words.js";
import { Timeline } from "./timeline.js";
import { TokenPrompt } from "./token.js";

const GATHER_MS = 100;
const TICK_MS = 1_000;
const POLL_MS = 5_000;
const JOINS_MS = 8_000; // how long a stream that was just published may be unknown
const ENDED = {
  video: "Sharing was stopped. Nothing is sent any more.",
  file: "The recording is over.",
  broken: "The recording is damaged and breaks off here. What came before was judged.",
  person: "You stopped watching. Nothing is sent any more.",
};

const checks = new Checks();
const checkList = new CheckList(byId("checks"));
const timeline = new Timeline({ most: 300 });
const alarm = new CallAlarm();
const compact = new CompactView(byId("compact"), { onStop: () => end("person") });
const prompt = new TokenPrompt(tokenGiven);

let book = new IncidentBook();
let shared = null; // what is shared now
let state = "ready"; // asking, connecting, live, again, over
let troubles = { share: "", publish: "", link: "" };
let livesSince = null; // performance.now() of the last time the publisher went live
let beganAt = null; // Date.now()
let drawing = null;

const publisher = new Publisher({ onState: published });
const events = new Connection({
  subprotocols,
  onMessage: (data) => typeof data === "string" && heard(JSON.parse(data)),
  onState: (link) => linked(link),
});

// --- before -----------------------------------------------------------------------------------

async function begin() {
  takeTokenFromAddress();
  if (!navigator.mediaDevices?.getDisplayMedia) byId("watch-call").disabled = true;
  if (!navigator.mediaDevices) trouble("share", TROUBLE.insecure);
  else if (!navigator.mediaDevices.getDisplayMedia) trouble("share", TROUBLE.unable);
  setHidden(byId("compact"), true);
  await learn();
}

/** What this monitor does with calls, and whether it takes any. */
async function learn() {
  let facts;
  try {
    if (token() === null && (await tokenNeeded())) return prompt.ask("");
    facts = await getJson("/api/guard");
    const { not_ready } = await getJson("/api/status");
    if (not_ready) return later(`The monitor is not ready yet: ${not_ready}.`);
  } catch (error) {
    if (/: 401$/.test(error.message)) return prompt.ask("The monitor refused this token.");
    return later("The monitor does not answer. Trying again.");
  }
  trouble("link", "");
  trouble("publish", facts.closed_because ? `No call can be watched here: ${facts.closed_because}.` : "");
  allow(facts.closed_because === "");
  setChildren(byId("consent"), consent(facts).map((text) => h("li", {}, text)));
  return undefined;
}

function later(why) {
  trouble("link", why);
  setTimeout(learn, TICK_MS);
}

function consent({ alerts_kept, told_to, judged_elsewhere }) {
  const here = ["localhost", "127.0.0.1", "[::1]"].includes(location.hostname);
  const told = [
    here ? "Picture and sound go to the streammon on this machine, and to nobody else." : `Picture and sound go to the streammon at ${location.hostname}.`,
    "Nothing is recorded: the last seconds are held in memory while you watch. What was found goes into a file only when you press Save.",
  ];
  if (judged_elsewhere.length > 0) told.push(`These detectors ask another server and send it what they judge: ${judged_elsewhere.join(", ")}.`);
  if (alerts_kept) told.push("This monitor is set up to keep its alerts (what, when and why; no picture, no sound) in a file.");
  if (told_to.length > 0) told.push(`Alerts are also told to: ${told_to.join(", ")}.`);
  told.push("Others in the call are watched, too. Tell them, or make sure that the law where you are lets you.");
  told.push("The answer is a probability, not a proof: a calm sign does not show that somebody is real.");
  return told;
}

function allow(allowed) {
  const possible = allowed && navigator.mediaDevices !== undefined;
  byId("watch-call").disabled = !possible || !navigator.mediaDevices.getDisplayMedia;
  byId("watch-camera").disabled = !possible;
  byId("watch-file").disabled = !allowed;
}

function tokenGiven(value) {
  setToken(value);
  if (shared === null) learn();
  else {
    events.stop();
    events.start();
    publisher.again();
  }
}

// --- from sharing to the end ------------------------------------------------------------------

/** `how()` gives what is shared. */
async function watch(how) {
  if (state === "asking" || shared !== null) return;
  become("asking");
  trouble("share", "");
  trouble("publish", "");
  try {
    shared = await how();
  } catch (error) {
    become("ready");
    trouble("share", TROUBLE[error.reason] ?? TROUBLE.unable);
    return;
  }
  checks.clear();
  book = new IncidentBook();
  beganAt = Date.now();
  shared.onEnded = (kind) => (kind === "audio" && shared.picture ? trouble("share", TROUBLE.mute) : end(kind === "audio" ? "video" : kind));
  shared.show(byId("picture"));
  setText(byId("what"), `Watched: ${shared.what}`);
  setHidden(byId("no-picture"), shared.picture);
  byId("shared").classList.toggle("sound-only", !shared.picture);
  if (!shared.sound) trouble("share", TROUBLE[shared.silence]);
  become("connecting");
  byId("main").focus({ preventScroll: true });
  events.start();
  publisher.start(shared.stream);
}

function published(now, why) {
  if (shared === null) return;
  if (now === "token") {
    become("again");
    prompt.ask(token() === null ? "" : "The monitor refused this token.");
    return;
  }
  if (now === "failed") {
    end("failed", why);
    return;
  }
  if (now === "live") {
    livesSince = performance.now();
    if (troubles.link !== "") events.hurry(); // media go through: so will its news
    shared.began();
  }
  if (now === "connecting" && state === "again") return; // still lost, as people see it
  trouble("publish", why === "" ? "" : now === "again" ? `${why} Trying again by itself.` : why);
  become(now);
}

/** `kind` of `ENDED`, or `failed` with the reason. */
function end(kind, why = ENDED[kind]) {
  if (shared === null) return;
  shared.stop(byId("picture"));
  shared = null;
  publisher.stop();
  events.stop();
  troubles = { share: "", publish: "", link: "" };
  setText(byId("again-why"), why);
  become("over");
  setText(byId("murmur"), why);
  byId("restart").focus();
}

function become(next) {
  state = next;
  setAttribute(document.body, "data-state", next);
  const on = shared !== null;
  setHidden(byId("begin"), on || next === "over");
  setHidden(byId("watch"), !(on || next === "over"));
  setHidden(byId("on-air"), !on);
  setHidden(byId("stop"), !on);
  setHidden(byId("compact"), !on || !CompactView.possible);
  setHidden(byId("again"), next !== "over");
  if (!on) compact.close();
  draw();
}

// --- what the monitor says --------------------------------------------------------------------

function linked(link) {
  if (link === "open" || shared === null) return;
  setAttribute(document.documentElement, "data-link", link);
  if (link === "lost") trouble("link", "The monitor cannot be reached. What is shown may be out of date. Trying again by itself.");
  if (link === "refused") prompt.ask(token() === null ? "" : "The monitor refused this token.");
}

async function heard(message) {
  if (message.type === "hello") await greet(message);
  else if (message.stream !== publisher.name) return;
  else if (message.type === "result") checks.take(message);
  else if (message.type === "alert") {
    const change = book.take(message);
    if (change !== null) {
      alarm.draw(book.open(publisher.name), change);
      draw(); // an alert waits for nothing
    }
  }
  soon();
}

/** A connection begins. The monitor may be another one than before, and know nothing of us. */
async function greet(hello) {
  const { socket } = events;
  let open = null;
  try {
    open = await openIncidents();
  } catch {
    // It is asked again with the next poll.
  }
  if (events.socket !== socket || shared === null) return;
  const resume = book.session === hello.session ? book.lastAlertId : null;
  book.greet({ seq: hello.last_alert_seq ?? 0, session: hello.session, open });
  events.send({ type: "subscribe", streams: [publisher.name], events: ["alert", "result"], alerts_after: resume, recent_alerts: 200 });
  setAttribute(document.documentElement, "data-link", "live");
  trouble("link", "");
  alarm.draw(book.open(publisher.name));
  await check();
}

async function openIncidents() {
  const { incidents } = await getJson("/api/incidents");
  return incidents.filter(({ stream }) => stream === publisher.name);
}

/** Whether the monitor still has our stream; a new one has not, and does not say so. */
async function check() {
  if (state !== "live" || performance.now() - livesSince < JOINS_MS) return;
  const { name, turn } = publisher;
  const { streams } = await getJson("/api/streams").catch(() => ({ streams: null }));
  if (streams === null || publisher.turn !== turn || state !== "live") return;
  if (streams.some(({ stream, link }) => stream === name && link !== null)) return;
  become("again");
  trouble("publish", "The monitor was started again. Sharing with it anew.");
  publisher.again();
}

async function poll() {
  if (shared === null || document.documentElement.dataset.link !== "live") return;
  const askedAt = performance.now();
  try {
    const open = new Set((await openIncidents()).map(({ incident_id }) => incident_id));
    if (shared !== null && book.reconcile(open, askedAt)) alarm.draw(book.open(publisher.name));
  } catch {
    return; // the connection tells when the monitor is gone
  }
  await check();
}

// --- what is shown ----------------------------------------------------------------------------

/** One of the three kinds of trouble began, or ended (an empty text). */
function trouble(kind, text) {
  if (troubles[kind] === text) return;
  troubles[kind] = text;
  draw();
}

/** Soon, and once for many messages. Not with the next frame: hidden pages have none. */
function soon() {
  drawing ??= setTimeout(draw, GATHER_MS);
}

function draw() {
  clearTimeout(drawing);
  drawing = null;
  const told = [troubles.link, troubles.publish, troubles.share].filter(Boolean).join(" ");
  setText(byId("trouble-text"), told);
  setHidden(byId("trouble"), told === "");
  if (told !== "") setText(byId("murmur"), told);
  const since = beganAt === null ? "" : ` ${clock((Date.now() - beganAt) / 1000)}`;
  setText(byId("on-air-text"), { connecting: "Connecting", again: "Connecting again" }[state] ?? `Watching${since}`);
  if (beganAt === null) return;
  const over = state === "over";
  const open = shared === null ? [] : book.open(publisher.name);
  const rows = checks.rows(over ? book.list() : open, { over }); // what raised an alert is not calm afterwards
  const level = over ? "none" : open.length > 0 ? "alert" : overall(rows);
  const [word, why] = over ? ["Over", summary()] : verdictOf(level, rows);
  setAttribute(document.body, "data-level", level);
  setText(byId("verdict-word"), word);
  setText(byId("verdict-why"), why);
  checkList.draw(rows);
  setHidden(byId("checks-none"), rows.length > 0);
  drawFaces(byId("faces"), shared === null ? [] : rows);
  timeline.draw(checks.histories);
  drawPast();
  if (over) alarm.draw([]);
  compact.draw({ level, word, why, rows, state, trouble: told });
}

function summary() {
  const count = book.list().length;
  return count === 0 ? "No alert was raised. That is no proof that all was well." : `Alerts: ${count}. See the evidence.`;
}

function drawPast() {
  if (!book.changed && byId("past").children.length === book.list().length) return;
  book.changed = false;
  const rows = book.list().map(({ kind, why, openedMs, open, severity }) =>
    h("li", { "data-open": String(open) }, h("strong", {}, `${wallTime(openedMs)} ${alarmOf(kind)}, ${open ? severity : "over"}`), h("p", {}, why)));
  byId("past").replaceChildren(...rows);
  setHidden(byId("past-none"), rows.length > 0);
}

function save() {
  const report = {
    watched: byId("what").textContent.replace("Watched: ", ""),
    began: beganAt === null ? null : new Date(beganAt).toISOString(),
    saved: new Date().toISOString(),
    incidents: book.list().map(({ id, kind, participant, severity, level, why, openedMs, open, results }) => ({ id, kind, participant, severity, level, why, open, results, opened: new Date(openedMs).toISOString() })),
    checks: checks.report(),
  };
  const url = URL.createObjectURL(new Blob([JSON.stringify(report, null, 1)], { type: "application/json" }));
  h("a", { href: url, download: `call-guard-${report.saved.replaceAll(":", "-")}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), TICK_MS);
}

// --- the page ---------------------------------------------------------------------------------

byId("history").append(timeline.element);
byId("watch-call").addEventListener("click", () => watch(shareCall));
byId("watch-camera").addEventListener("click", () => watch(shareCamera));
byId("watch-file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = "";
  if (file) watch(() => shareFile(file, byId("picture")));
});
byId("stop").addEventListener("click", () => end("person"));
byId("restart").addEventListener("click", () => {
  beganAt = null;
  setAttribute(document.body, "data-level", "none");
  become("ready");
  byId("main").focus();
});
byId("save").addEventListener("click", save);
addEventListener("pagehide", () => shared !== null && publisher.stop());
setInterval(() => shared !== null && draw(), TICK_MS);
setInterval(poll, POLL_MS);
begin();
