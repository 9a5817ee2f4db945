// Decodes the packets of one stream in the browser and holds the picture that is due.

import { Pace } from "./pace.js";

const MOST_QUEUED = 600; // packets before the decoder; a burst from the last keyframe is fewer
const MOST_HELD = 8; // pictures behind it
const TWICE_MS = 60_000; // two failures within this are one too many

const answers = new Map(); // a configuration as JSON -> whether this browser decodes it

/** Whether this browser decodes pictures of this configuration; asked once for each. */
function supported(config) {
  const key = `${config.codec} ${config.codedWidth} ${config.codedHeight} ${config.description?.length}`;
  if (!answers.has(key)) {
    const asked = VideoDecoder.isConfigSupported(config).then(({ supported: yes }) => yes === true, () => false);
    answers.set(key, asked);
    if (answers.size > 200) answers.delete(answers.keys().next().value);
  }
  return answers.get(key);
}

function configOf({ codec, description, width, height }) {
  const config = { codec, optimizeForLatency: true };
  if (description !== null) config.description = Uint8Array.from(atob(description), (sign) => sign.charCodeAt(0));
  if (width !== null && height !== null) Object.assign(config, { codedWidth: width, codedHeight: height });
  return config;
}

/**
 * A decoder error lets it begin anew with the next keyframe; a second one soon after, or a codec
 * that this browser lacks, ends it: `onFail(why)`.
 */
export class Player {
  constructor({ keyframesOnly, onFail }) {
    Object.assign(this, { keyframesOnly, onFail });
    this.coding = null; // the newest that came
    this.waiting = []; // packets while the browser is asked whether it decodes them
    this.decoder = null;
    this.needsKeyframe = true;
    this.failedAt = -Infinity;
    this.held = []; // decoded, not shown yet: { frame, epoch, mediaS }
    this.pace = new Pace();
    this.startedAt = performance.now();
    this.decodedAt = null; // when the newest picture came out of the decoder
    this.codec = null;
    this.over = false;
  }

  async configure(coding) {
    this.coding = coding;
    this.waiting = [];
    this.#letGo();
    const able = coding.codec !== null && (await supported(configOf(coding)));
    if (this.over || this.coding !== coding) return; // another came meanwhile
    if (able) this.#begin();
    else this.#end(coding.why_not || `this browser does not decode ${coding.codec}`);
  }

  take(header, data) {
    if (this.over || this.coding === null || header.epoch !== this.coding.epoch) return;
    if (this.waiting !== null) {
      if (header.is_keyframe) this.waiting = [];
      if (header.is_keyframe || this.waiting.length > 0) this.waiting.push([header, data]);
      return;
    }
    if (this.needsKeyframe && !header.is_keyframe) return;
    if (this.decoder?.decodeQueueSize > MOST_QUEUED) this.#failed(new Error("too slow for this stream"));
    else this.#decode(header, data);
  }

  /** The picture to show from now on, or null while it is the same. Its frame is the caller's to close. */
  due(nowS) {
    const untilS = this.pace.dueS(nowS);
    let newest = null;
    while (this.held.length > 0 && (this.keyframesOnly || this.held[0].mediaS <= untilS)) {
      newest?.frame.close();
      newest = this.held.shift();
    }
    return newest;
  }

  close() {
    this.over = true;
    this.waiting = [];
    this.#letGo();
    this.#forget();
  }

  #begin() {
    const { waiting } = this;
    this.codec = this.coding.codec;
    this.waiting = null;
    for (const [header, data] of waiting) this.take(header, data);
  }

  #decode(header, data) {
    try {
      this.decoder ??= this.#made();
      const timestamp = Math.round(header.media_s * 1e6);
      this.decoder.decode(new EncodedVideoChunk({ type: header.is_keyframe ? "key" : "delta", timestamp, data }));
      this.needsKeyframe = false;
      if (this.keyframesOnly && header.is_keyframe) this.#flush();
    } catch (error) {
      this.#failed(error);
    }
  }

  #forget() {
    for (const { frame } of this.held) frame.close();
    this.held = [];
    this.pace = new Pace();
  }

  #made() {
    const { coding } = this;
    const decoder = new VideoDecoder({
      output: (frame) => this.#decoded(frame, decoder, coding.epoch),
      error: (error) => this.decoder === decoder && this.#failed(error),
    });
    decoder.configure(configOf(coding));
    return decoder;
  }

  #decoded(frame, decoder, epoch) {
    if (this.decoder !== decoder) {
      frame.close();
      return;
    }
    const nowS = performance.now() / 1000;
    const mediaS = frame.timestamp / 1e6;
    if (this.held.length > 0 && this.held[0].epoch !== epoch) this.#forget(); // another clock
    this.pace.arrived(mediaS, nowS);
    this.held.push({ frame, epoch, mediaS });
    if (this.held.length > MOST_HELD) this.held.shift().frame.close();
    this.decodedAt = performance.now();
  }

  /** A keyframe that comes alone is to be shown now, whatever pictures could lie before it. */
  #flush() {
    this.needsKeyframe = true;
    this.decoder.flush().catch(() => {}); // the decoder's own callback tells of errors
  }

  #failed(error) {
    const now = performance.now();
    const again = now - this.failedAt < TWICE_MS;
    this.failedAt = now;
    this.#letGo();
    if (again) this.#end(`the decoder failed twice: ${error.message}`);
  }

  #letGo() {
    const { decoder } = this;
    this.decoder = null;
    this.needsKeyframe = true;
    if (decoder !== null && decoder.state !== "closed") decoder.close();
  }

  #end(why) {
    if (this.over) return;
    this.close();
    this.onFail(why);
  }
}
