// When a decoded picture is due: packets come in bursts, and pictures are shown in even steps.

const BEHIND_S = 0.08; // the newest picture waits so long: enough for bursts of one look at the ring
const FORGETS = 0.01; // seconds a second: a clock that runs slower than ours is followed
const JUMP_S = 1; // a picture so far from where the clock is sets it anew

export class Pace {
  constructor() {
    this.aheadS = null; // media time minus ours, by the earliest picture of late
    this.atS = 0;
  }

  /** A picture of this media time is there now. */
  arrived(mediaS, nowS) {
    const aheadS = mediaS - nowS;
    if (this.aheadS !== null) this.aheadS -= FORGETS * (nowS - this.atS);
    this.atS = nowS;
    if (this.aheadS === null || aheadS > this.aheadS || aheadS < this.aheadS - JUMP_S) this.aheadS = aheadS;
  }

  /** The media time that is to be shown now; nothing is due before the first picture. */
  dueS(nowS) {
    return this.aheadS === null ? -Infinity : nowS + this.aheadS - BEHIND_S;
  }
}
