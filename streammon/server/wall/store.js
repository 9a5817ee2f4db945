// All that the page knows of the monitor: its streams, and through `book` its incidents.
// Times called `at` are this page's own clock (performance.now): another machine's wall clock
// says little about how old a picture on this screen is.

import { IncidentBook } from "./book.js";
import { Series } from "./history.js";
import { Said } from "./said.js";

const KEEP_MS = 300_000;
const MOST_COLUMNS = 400;
const MOST_VOICES = 64; // detectors of participants: who leaves does not say so

class Stream {
  constructor(id) {
    this.id = id;
    this.modalities = new Set();
    this.detectors = [];
    this.health = { state: "starting", cause: "" };
    this.healthAt = -Infinity; // when an event told of it
    this.epoch = 0;
    this.mediaS = 0;
    this.canClip = false;
    this.overlay = null; // { header, blob, at } of a JPEG, { header, frame, at } of a decoded picture
    this.said = new Said();
    this.overlayEveryMs = 1_000;
    this.scores = new Map(); // detector and modality -> { result, at }
    this.histories = new Map(); // kind, modality and participant -> { kind, points: Series }
    this.meters = new Map(); // modality -> { level, at }
    this.levels = new Map(); // modality -> Series of { at, value }
    this.columns = []; // the newest spectrogram columns, each a Uint8Array
    this.columnCount = 0; // how many there have ever been
    this.groups = { list: [], at: 0 };
  }

  /** What its tile shows first. */
  get face() {
    for (const modality of ["video", "audio", "text"]) {
      if (this.modalities.has(modality)) return modality;
    }
    return this.overlay ? "video" : "none";
  }

  get kinds() {
    return [...new Set([...this.histories.values()].map(({ kind }) => kind))];
  }
}

export class Store {
  constructor() {
    this.streams = new Map();
    this.book = new IncidentBook();
    this.parts = new Map(); // components that are no streams -> health
    this.partsAt = new Map(); // when an event told of one
    this.live = false; // whether the server shows streams over WebRTC
    this.dirty = new Set();
    this.listeners = new Set();
    this.scheduled = false;
  }

  /** `listener(ids of changed streams)`, at most once per animation frame; "" stands for the rest. */
  subscribe(listener) {
    this.listeners.add(listener);
  }

  touch(id) {
    this.dirty.add(id);
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      const changed = this.dirty;
      this.dirty = new Set();
      for (const listener of this.listeners) listener(changed);
    });
  }

  stream(id) {
    let stream = this.streams.get(id);
    if (!stream) {
      stream = new Stream(id);
      this.streams.set(id, stream);
    }
    return stream;
  }

  /**
   * The answer of /api/streams, asked for at `askedAt`: the whole truth about which streams there
   * are. What events told since is newer.
   */
  takeStreams(list, askedAt) {
    const listed = new Map();
    for (const view of list) {
      const stream = this.stream(view.stream);
      Object.assign(stream, {
        modalities: new Set(view.modalities),
        detectors: view.detectors,
        health: stream.healthAt > askedAt ? stream.health : view.health,
        epoch: view.epoch,
        mediaS: Math.max(view.media_s, view.epoch === stream.epoch ? stream.mediaS : 0),
        canClip: view.can_clip,
        link: view.link ?? null,
      });
      listed.set(view.stream, stream);
      this.touch(view.stream);
    }
    for (const id of this.streams.keys()) if (!listed.has(id)) this.touch(id);
    this.streams = listed;
  }

  /** The answer of /api/status, asked for at `askedAt`. */
  takeStatus({ components, live }, askedAt) {
    this.live = live === true;
    const newer = [...this.parts].filter(([name]) => this.partsAt.get(name) > askedAt);
    const told = components.filter((part) => part.stream === null);
    this.parts = new Map([...told.map((part) => [part.component, part]), ...newer]);
    this.touch("");
  }

  /** One JSON event. Returns what an alert changed in the book, else undefined. */
  take(event) {
    const at = performance.now();
    if (event.type === "alert") {
      const change = this.book.take(event);
      if (change !== null) this.touch(event.stream);
      return change;
    }
    if (event.type === "health" && event.stream === null) {
      this.parts.set(event.component, event);
      this.partsAt.set(event.component, at);
      this.touch("");
      return undefined;
    }
    if (!event.stream || !["health", "result", "meter"].includes(event.type)) return undefined;
    const stream = this.stream(event.stream);
    if (event.type === "health") {
      if (event.component === `stream:${event.stream}`) Object.assign(stream, { health: event, healthAt: at });
    } else {
      stream.epoch = event.epoch ?? stream.epoch;
      stream.mediaS = event.media_s ?? stream.mediaS;
      if (event.type === "result") takeResult(stream, event, at);
      else takeMeter(stream, event, at);
    }
    this.touch(event.stream);
    return undefined;
  }

  /** A JPEG that the server drew. */
  takeOverlay(header, jpeg) {
    this.#show(header.stream, { header, blob: new Blob([jpeg], { type: header.content_type }) });
    this.touch(header.stream);
  }

  /** A picture that was decoded here; its frame is closed with the next one. */
  takeFrame(id, { frame, epoch, mediaS }) {
    this.dropFrame(id);
    this.#show(id, { header: { epoch, media_s: mediaS }, frame });
  }

  /** Gives the memory of a decoded picture back: it stays where it was drawn. */
  dropFrame(id) {
    const overlay = this.streams.get(id)?.overlay;
    overlay?.frame?.close();
    if (overlay?.frame) overlay.frame = null;
  }

  #show(id, overlay) {
    const stream = this.stream(id);
    const at = performance.now();
    if (stream.overlay) {
      const gapMs = Math.min(at - stream.overlay.at, 20_000);
      stream.overlayEveryMs += 0.2 * (gapMs - stream.overlayEveryMs);
    }
    stream.overlay = { ...overlay, at };
    stream.epoch = overlay.header.epoch;
    stream.mediaS = overlay.header.media_s;
  }
}

function takeResult(stream, result, at) {
  stream.said.take(result);
  const voice = `${result.detector} ${result.modality} ${result.participant}`;
  setNewest(stream.scores, voice, { result, at });
  const line = `${result.kind} ${result.modality} ${result.participant}`;
  const history = stream.histories.get(line) ?? { kind: result.kind, points: new Series(1200, KEEP_MS) };
  setNewest(stream.histories, line, history);
  history.points.push({ at, value: result.confidence, flagged: result.is_ai_generated === true });
  const groups = result.details?.groups;
  if (Array.isArray(groups) && (groups.length > 0 || at - stream.groups.at > 20_000)) {
    stream.groups = { list: groups, at };
  }
}

/** Behind all others; the one that was set longest ago goes when there are too many. */
function setNewest(map, key, value) {
  map.delete(key);
  map.set(key, value);
  if (map.size > MOST_VOICES) map.delete(map.keys().next().value);
}

function takeMeter(stream, meter, at) {
  stream.meters.set(meter.modality, { level: meter.level, at });
  let levels = stream.levels.get(meter.modality);
  if (!levels) {
    levels = new Series(600, KEEP_MS);
    stream.levels.set(meter.modality, levels);
  }
  levels.push({ at, value: meter.level });
  for (const text of meter.columns) {
    stream.columns.push(Uint8Array.from(atob(text), (character) => character.charCodeAt(0)));
    stream.columnCount += 1;
  }
  if (stream.columns.length > MOST_COLUMNS) {
    stream.columns.splice(0, stream.columns.length - MOST_COLUMNS);
  }
}
