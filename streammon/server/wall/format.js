// Numbers and times as people read them.

/** 0.4 s, 12 s, 3 min, 2 h */
export function span(seconds) {
  if (seconds < 0) return "0 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

/** now, 2.4 s ago, 3 min ago; null while there was nothing. */
export function ago(seconds) {
  if (seconds === null) return "";
  return seconds < 1.5 ? "now" : `${span(seconds)} ago`;
}

/** 0:07, 12:31, 1:02:03 */
export function clock(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

const timeOfDay = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

/** The time of day, with the date when it was not today. */
export function wallTime(milliseconds) {
  const then = new Date(milliseconds);
  const today = then.toDateString() === new Date().toDateString();
  return (today ? timeOfDay : dayAndTime).format(then);
}

export const score = (value) => value.toFixed(2);

/** voice_spoof -> voice spoof */
export const words = (name) => name.replaceAll("_", " ");

export function plural(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
