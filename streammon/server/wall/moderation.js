// The moderator's view: what waits, what was decided, and the buttons to decide.

import { getJson, postJson, setToken, takeTokenFromAddress } from "./api.js";
import { byId, h, setChildren, setHidden, setText } from "./dom.js";
import { plural, span, wallTime, words } from "./format.js";
import { TokenPrompt } from "./token.js";

const EVERY_MS = 2_000;
const ACTIONS = { flag: "Flag", delete: "Delete messages", warn: "Warn", timeout: "Time out", ban: "Ban" };
const STATES = {
  held: "held for a person", asked: "asking the hook", due: "being done", done: "done",
  would: "would have been done", spared: "spared", vetoed: "vetoed", refused: "refused",
  failed: "given up", expired: "expired", handed_over: "left to your bot",
  undo_due: "being lifted", undone: "lifted",
};
const WAITING = new Set(["held", "asked"]);

const shown = new Map(); // decision_id -> {element, said}

function what(decision) {
  const { action, message_ids: messages, duration_s: lasts } = decision;
  if (action === "delete") return `${ACTIONS.delete}: ${messages.length}`;
  const length = lasts === null ? "" : ` for ${span(lasts)}`;
  return `${ACTIONS[action] ?? action}${length}`;
}

function who(decision) {
  const short = h("code", { title: decision.author_id }, decision.author_id.slice(0, 10));
  return decision.name ? [h("strong", {}, decision.name), " ", short] : [short];
}

function verbs(decision) {
  if (WAITING.has(decision.state)) return ["confirm", "veto"];
  if (decision.state === "due") return ["veto"];
  return decision.undoable ? ["undo"] : [];
}

function button(decision, verb) {
  const about = `${verb} ${what(decision)}, ${decision.name ?? decision.author_id.slice(0, 10)}`;
  const press = ({ currentTarget }) => decide(decision, verb, currentTarget);
  const primary = verb === "confirm" ? "tool primary" : "tool";
  return h("button", { type: "button", class: primary, "data-verb": verb, "aria-label": about, onclick: press }, verb[0].toUpperCase() + verb.slice(1));
}

function row(decision) {
  const cause = decision.cause ? `: ${decision.cause}` : "";
  const by = decision.by === "policy" ? "" : ` (${decision.by.replace("person:", "by ")})`;
  const where = [decision.stream, decision.room].filter(Boolean).join(" / ");
  const seen = `${words(decision.kind)}, ${decision.severity}, ${wallTime(Date.parse(decision.made_at))}, ${where}`;
  const able = decision.can_act || decision.dry_run || !WAITING.has(decision.state) ? null
    : h("p", {}, "Nothing here can do this in that chat now.");
  return h("li", { class: "decision", "data-id": decision.decision_id, "data-state": decision.state, "data-dry": String(decision.dry_run) },
    h("div", { class: "words" },
      h("h3", {}, what(decision), " — ", ...who(decision), decision.dry_run ? h("span", { class: "dry" }, "dry run") : null),
      h("p", { class: "state" }, `${STATES[decision.state] ?? decision.state}${cause}${by}`),
      h("p", {}, seen),
      h("p", {}, decision.why),
      able),
    h("div", { class: "buttons" }, ...verbs(decision).map((verb) => button(decision, verb))));
}

/** The element of a decision: the same one while nothing about it has changed, so focus stays. */
function elementOf(decision) {
  const said = JSON.stringify(decision);
  const known = shown.get(decision.decision_id);
  if (known?.said === said) return known.element;
  const element = row(decision);
  shown.set(decision.decision_id, { element, said });
  return element;
}

async function decide(decision, verb, pressed) {
  pressed.disabled = true;
  try {
    const after = await postJson(`/api/moderation/${decision.decision_id}/${verb}`, {});
    setText(byId("announcer"), `${what(after)}: ${STATES[after.state] ?? after.state}`);
    tell("");
  } catch (error) {
    tell(error.message);
    pressed.disabled = false;
  }
  await look();
}

function tell(problem) {
  setText(byId("problem"), problem);
  setHidden(byId("problem"), problem === "");
}

function list(name, decisions) {
  setChildren(byId(name), decisions.map(elementOf));
  setHidden(byId(`${name}-empty`), decisions.length > 0);
}

function show({ dry_run: dry, waiting, recent }) {
  setText(byId("mode"), dry ? "dry run" : "acting");
  setHidden(byId("rehearsal"), !dry);
  setText(byId("waiting-count"), String(waiting.length));
  document.title = waiting.length > 0 ? `(${plural(waiting.length, "hold")}) streammon` : "streammon: moderation";
  const kept = new Set([...waiting, ...recent].map((each) => each.decision_id));
  for (const id of shown.keys()) if (!kept.has(id)) shown.delete(id);
  list("waiting", waiting);
  list("recent", recent);
}

let lost = false;

async function look() {
  try {
    show(await getJson("/api/moderation"));
    if (lost) tell("");
    lost = false;
  } catch (error) {
    if (/: 401$/.test(error.message)) {
      prompt.ask("");
      return;
    }
    lost = true;
    tell(`The monitor does not answer: ${error.message}`);
  }
}

const prompt = new TokenPrompt((value) => {
  setToken(value);
  look();
});

takeTokenFromAddress();
await look();
setInterval(() => {
  if (!byId("token").open && !document.hidden) look();
}, EVERY_MS);
