// What publishing (WHIP) and watching (WHEP) ask the server in the same way.

import { token } from "./api.js";

const GATHER_MS = 2_000;

export const authorization = () => (token() === null ? {} : { Authorization: `Bearer ${token()}` });

/** Ends a session; it does not matter whether the server still hears it. */
export function discard(session) {
  const signal = AbortSignal.timeout(GATHER_MS);
  return fetch(session, { method: "DELETE", headers: authorization(), keepalive: true, signal }).catch(() => {});
}

/** Why the server refused, in its own words; "" if it gave none. */
export function detailOf(text) {
  try {
    return String(JSON.parse(text).detail ?? "");
  } catch {
    return "";
  }
}

/** Until all candidates are in the offer, or most of them. */
export function gathered(peer) {
  return new Promise((done) => {
    const look = () => peer.iceGatheringState === "complete" && done();
    peer.addEventListener("icegatheringstatechange", look);
    setTimeout(done, GATHER_MS);
    look();
  });
}
