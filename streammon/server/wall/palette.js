// Colours and line styles of the kinds, the same everywhere on the page. The colours are of the
// Okabe-Ito set, told apart by colour-blind people; the dashes tell them apart in print.

const KNOWN = { voice_spoof: 0, freeze: 1, chat_flood: 2 };
const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [1, 2], [12, 4]];

export function kindIndex(kind) {
  if (kind in KNOWN) return KNOWN[kind];
  let sum = 0;
  for (const character of kind) sum = (sum * 31 + character.charCodeAt(0)) >>> 0;
  return 3 + (sum % 3);
}

export const dashes = (kind) => DASHES[kindIndex(kind)];

let resolved = null;

/** The theme's colours as the canvas needs them. */
export function colours() {
  if (resolved === null) {
    const style = getComputedStyle(document.documentElement);
    const read = (name) => style.getPropertyValue(name).trim();
    resolved = {
      kinds: [0, 1, 2, 3, 4, 5].map((index) => read(`--kind-${index}`)),
      grid: read("--chart-grid"),
      text: read("--chart-text"),
      fill: read("--chart-fill"),
      alarm: read("--chart-alarm"),
    };
  }
  return resolved;
}

export const kindColour = (kind) => colours().kinds[kindIndex(kind)];

/** After a change of theme. */
export function forgetColours() {
  resolved = null;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", forgetColours);
