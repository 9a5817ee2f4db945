// Says that somebody has seen an incident, under the name that this tab keeps.

import { postJson } from "./api.js";

const KEY = "streammon.name";
const NAME = /^[\p{L}\p{N}_.@ -]{1,64}$/u;

let kept = null; // where a browser forbids storage, the page's life must do

function keptName() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}

function keep(name) {
  kept = name;
  try {
    sessionStorage.setItem(KEY, name);
  } catch {
    return;
  }
}

/** Who it is: asked once, until the tab is closed. Null: they would not say. */
function name() {
  const known = keptName();
  if (known !== null) return known;
  const given = window.prompt("Your name: everybody sees who has seen an incident.", "");
  if (given === null) return null;
  const said = given.trim();
  if (!NAME.test(said)) throw new Error("a name has up to 64 letters, digits, spaces and . @ _ -");
  keep(said);
  return said;
}

/** Returns { incident_id, severity, by, time } as it now stands, or null where nobody was named. */
export async function acknowledge(incidentId) {
  const by = name();
  if (by === null) return null;
  return postJson(`/api/incidents/${encodeURIComponent(incidentId)}/acknowledge`, { by });
}
