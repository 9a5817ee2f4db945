// One stream live over WebRTC (WHEP): its picture as the server draws it, and its sound.

import { h, setAttribute } from "./dom.js";
import { authorization, detailOf, discard, gathered } from "./signalling.js";

const ANSWER_MS = 15_000; // the server may have to load what it needs, the first time
const FIRST_MS = 15_000;
const PATIENCE_MS = 4_000; // with a line that says nothing: it may come back by itself

export class Live {
  /** `onState(state, why)`: `off`, `connecting`, `live`; `why` only where it ended by itself. */
  constructor(id, { onState }) {
    Object.assign(this, { id, onState });
    this.video = h("video", { class: "live", playsinline: true, controls: true, "aria-label": `${id}, live`, hidden: true });
    this.video.addEventListener("playing", () => this.#became("live"));
    this.state = "off";
    this.peer = this.session = this.timer = null;
  }

  async start() {
    if (this.state !== "off") return;
    this.#became("connecting");
    const peer = new RTCPeerConnection();
    const media = new MediaStream();
    this.peer = peer;
    peer.ontrack = ({ track, receiver }) => {
      if ("jitterBufferTarget" in receiver) receiver.jitterBufferTarget = 0;
      media.addTrack(track);
    };
    peer.onconnectionstatechange = () => this.#look(peer);
    for (const kind of ["video", "audio"]) peer.addTransceiver(kind, { direction: "recvonly" });
    this.timer = setTimeout(() => this.#fail(peer, "No picture came: can the server's UDP packets reach this browser?"), FIRST_MS);
    try {
      await peer.setLocalDescription(await peer.createOffer());
      await gathered(peer);
      const answer = await this.#ask(peer);
      if (peer !== this.peer) return void discard(answer.session);
      this.session = answer.session;
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      this.video.srcObject = media;
      await this.#play(peer);
    } catch (error) {
      this.#fail(peer, error instanceof Refused ? error.message : "The server does not answer.");
    }
  }

  stop() {
    this.#end("", { tell: true });
  }

  /** The server has ended it, or will: there is nothing more to show. */
  ended(why) {
    if (this.state !== "off") this.#end(why);
  }

  async #play(peer) {
    try {
      await this.video.play();
    } catch {
      if (peer !== this.peer) return;
      this.video.muted = true; // the browser wants to be asked for sound: the controls do that
      await this.video.play().catch(() => {});
    }
  }

  async #ask(peer) {
    const answer = await fetch(`/whep/${encodeURIComponent(this.id)}`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", ...authorization() },
      body: peer.localDescription.sdp,
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const text = await answer.text();
    if (answer.status !== 201) throw new Refused(detailOf(text) || `The server answers ${answer.status}.`);
    return { sdp: text, session: answer.headers.get("Location") };
  }

  #look(peer) {
    if (peer !== this.peer) return;
    const { connectionState: state } = peer;
    if (state === "failed" || state === "closed") this.#fail(peer, "The live picture has ended.");
    else if (state === "disconnected") {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.#fail(peer, "The live picture was lost."), PATIENCE_MS);
    } else if (state === "connected" && this.state === "live") clearTimeout(this.timer);
  }

  #fail(peer, why) {
    if (peer === this.peer) this.#end(why);
  }

  /** `tell`: the server does not know yet. What it ends itself, or whose line is closed, it has forgotten. */
  #end(why, { tell = false } = {}) {
    const { peer, session } = this;
    clearTimeout(this.timer);
    this.peer = this.session = this.timer = null;
    this.video.srcObject = null;
    if (tell && session !== null) discard(session).then(() => peer?.close());
    else peer?.close();
    this.#became("off", why);
  }

  #became(state, why = "") {
    if (state === "live") {
      if (this.state !== "connecting") return;
      clearTimeout(this.timer);
    }
    if (state === this.state && why === "") return;
    this.state = state;
    this.video.hidden = state !== "live";
    setAttribute(this.video, "data-state", state);
    this.onState(state, why);
  }
}

class Refused extends Error {}
