// Bounded series of points in arrival order.

export class Series {
  constructor(most, keepMs) {
    this.most = most;
    this.keepMs = keepMs;
    this.points = [];
  }

  push(point) {
    const { points } = this;
    points.push(point);
    const oldest = point.at - this.keepMs;
    let stale = Math.max(0, points.length - this.most);
    while (stale < points.length && points[stale].at < oldest) stale += 1;
    if (stale > 0) points.splice(0, stale);
  }
}
