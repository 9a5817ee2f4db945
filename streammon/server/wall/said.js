// What was said of a stream's pictures, kept so that each picture is shown with what is true of it.

export const SCORE_LIFE_S = 10; // after its window a result is still told with newer pictures
export const BOX_LIFE_S = 2; // and where it saw something is still outlined: things move
const MOST_KEPT = 16; // results of one detector: those a picture that is shown late still needs
const MOST_VOICES = 64;
const PAST_STEP_S = 0.5;
const MOST_PAST = 60;

export class Said {
  constructor() {
    this.results = new Map(); // detector, modality, participant -> results, oldest first
    this.past = []; // the highest score of each half second, null where there was none
    this.pastS = -Infinity;
    this.pastEpoch = -1;
    this.count = 0; // grows with every result
  }

  take(result) {
    const voice = `${result.detector} ${result.modality} ${result.participant}`;
    const kept = this.results.get(voice) ?? [];
    kept.push(result);
    if (kept.length > MOST_KEPT) kept.shift();
    this.results.delete(voice);
    this.results.set(voice, kept);
    if (this.results.size > MOST_VOICES) this.results.delete(this.results.keys().next().value);
    this.count += 1;
  }

  /**
   * The results that a picture is shown with: of each detector the newest whose window had begun,
   * of the same epoch, for `SCORE_LIFE_S` after the window; then the strongest of each kind and
   * participant, strongest first. `regions` only for `BOX_LIFE_S`.
   */
  of(epoch, mediaS) {
    const strongest = new Map();
    for (const kept of this.results.values()) {
      const result = kept.findLast((each) => each.epoch === epoch && each.start_s <= mediaS);
      if (result === undefined || result.end_s < mediaS - SCORE_LIFE_S) continue;
      const kind = `${result.kind} ${result.participant}`;
      const best = strongest.get(kind);
      if (best === undefined || strength(result) > strength(best)) strongest.set(kind, result);
    }
    const fresh = (result) => (mediaS < result.end_s + BOX_LIFE_S ? result : { ...result, regions: [] });
    return [...strongest.values()].sort((a, b) => strength(b) - strength(a) || compare(b.kind, a.kind)).map(fresh);
  }

  /** Scores of the recent past up to this picture, which is noted with what is shown of it. */
  pastWith(results, epoch, mediaS) {
    const anew = epoch !== this.pastEpoch || mediaS < this.pastS;
    if (anew || mediaS >= this.pastS + PAST_STEP_S) {
      const scores = results.map(({ confidence }) => confidence).filter((score) => score !== null);
      this.past.push(scores.length > 0 ? Math.max(...scores) : null);
      if (this.past.length > MOST_PAST) this.past.shift();
      Object.assign(this, { pastS: mediaS, pastEpoch: epoch });
    }
    return this.past;
  }
}

const strength = ({ confidence }) => confidence ?? -1;
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
