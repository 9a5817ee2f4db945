// Publishes a MediaStream to this server by WHIP (RFC 9725), and again whenever that breaks.

import { authorization, detailOf, discard, gathered } from "./signalling.js";

const FIRST_MS = 1_000;
const MOST_MS = 4_000; // of pause between attempts: a network that returns is used soon
const ANSWER_MS = 8_000; // and no attempt of before hangs on for longer
const PATIENCE_MS = 4_000; // with a line that says nothing: it may come back by itself

/** Whether it is worth trying the same again. */
class Refused extends Error {
  constructor(state, why) {
    super(why);
    this.state = state;
  }
}

/**
 * `onState(state, why)`: `connecting`, `live`, `again` (it broke, or there is no room yet: it is
 * tried again by itself), `token` (one is wanted: `start` anew), `failed` (trying again is no use).
 */
export class Publisher {
  constructor({ onState }) {
    this.onState = onState;
    this.name = null;
    this.stream = null;
    this.turn = 0; // grows with each attempt: what belongs to an earlier one is passed over
    this.peer = this.session = this.timer = null;
    addEventListener("online", () => this.#hurry());
  }

  /** The name of the stream stays the same until `stop`. */
  start(stream) {
    this.name ??= `call-${crypto.getRandomValues(new Uint32Array(1))[0].toString(36)}`;
    this.stream = stream;
    this.failures = 0;
    this.again();
  }

  /** Anew, now: what was there is left behind. The server lets the newer one take over. */
  again() {
    if (this.stream === null) return;
    this.#drop();
    this.onState("connecting", "");
    this.#publish(++this.turn);
  }

  /** Told to the server first: it forgets a session as soon as its line is closed. */
  async stop() {
    const { peer, session } = this;
    clearTimeout(this.timer);
    this.turn += 1;
    this.stream = this.name = this.timer = this.peer = this.session = null;
    if (session !== null) await discard(session);
    peer?.close();
  }

  /** A network is there, perhaps another one than before: what is not connected begins anew. */
  #hurry() {
    if (this.stream === null || this.peer?.connectionState === "connected") return;
    this.failures = 0;
    this.again();
  }

  #drop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.peer?.close();
    this.peer = this.session = null; // the server ends a session that falls silent
  }

  async #publish(turn) {
    const { name } = this;
    const peer = new RTCPeerConnection();
    this.peer = peer;
    peer.onconnectionstatechange = () => this.#look(turn, peer);
    try {
      for (const track of this.stream.getTracks()) peer.addTransceiver(track, { direction: "sendonly", streams: [this.stream] });
      await peer.setLocalDescription(await peer.createOffer());
      await gathered(peer);
      const answer = await post(`/whip/${name}`, peer.localDescription.sdp);
      if (turn !== this.turn) {
        if (name !== this.name) discard(answer.session); // else the next attempt takes over
        return;
      }
      this.session = answer.session;
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    } catch (error) {
      if (turn !== this.turn) return;
      if (error instanceof Refused && error.state !== "again") this.#give(error);
      else this.#later(turn, error instanceof Refused ? error.message : "The monitor does not answer.");
    }
  }

  #look(turn, peer) {
    if (turn !== this.turn) return;
    clearTimeout(this.timer);
    const state = peer.connectionState;
    if (state === "connected") {
      this.failures = 0;
      this.onState("live", "");
    } else if (state === "failed" || state === "closed") {
      this.#later(turn, "The connection to the monitor was lost.");
    } else if (state === "disconnected") {
      this.timer = setTimeout(() => this.#later(turn, "The connection to the monitor was lost."), PATIENCE_MS);
    }
  }

  #give(error) {
    this.#drop();
    this.onState(error.state, error.message);
  }

  #later(turn, why) {
    if (turn !== this.turn) return;
    this.turn += 1;
    this.#drop();
    const pauseMs = Math.min(MOST_MS, FIRST_MS * 2 ** this.failures);
    this.failures += 1;
    this.onState("again", why);
    this.timer = setTimeout(() => this.again(), pauseMs);
  }
}

async function post(path, offer) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", ...authorization() },
    body: offer,
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const text = await answer.text();
  if (answer.status === 201) return { sdp: text, session: answer.headers.get("Location") };
  const why = detailOf(text) || `The monitor answers ${answer.status}.`;
  if (answer.status === 401) throw new Refused("token", why);
  if (answer.status === 503) throw new Refused("again", roomOr(why));
  if (answer.status >= 500) throw new Refused("again", why);
  throw new Refused("failed", why);
}

function roomOr(why) {
  return /no more streams/.test(why) ? "This monitor watches as many calls as it may. This one begins when another ends." : `The monitor is not ready: ${why}.`;
}
