// Light or dark, and how large the tiles are; both are kept in this browser.

import { byId, setAttribute, setText } from "./dom.js";
import { forgetColours } from "./palette.js";

const THEMES = { system: "as the system", light: "light", dark: "dark" };
const DENSITIES = ["large", "medium", "small"];

function recall(key, allowed) {
  try {
    const value = localStorage.getItem(`streammon.${key}`);
    return allowed.includes(value) ? value : null;
  } catch {
    return null;
  }
}

function keep(key, value) {
  try {
    localStorage.setItem(`streammon.${key}`, value);
  } catch {
    return;
  }
}

export class Looks {
  /** `onChange()`: canvases must be drawn anew. */
  constructor(onChange) {
    this.onChange = onChange;
    this.setTheme(recall("theme", Object.keys(THEMES)) ?? "system");
    this.setDensity(recall("density", DENSITIES) ?? "medium");
    byId("theme").addEventListener("click", () => this.nextTheme());
    byId("density").addEventListener("click", ({ target }) => {
      const density = target.closest("[data-density]")?.dataset.density;
      if (density) this.setDensity(density);
    });
  }

  setTheme(theme) {
    this.theme = theme;
    setAttribute(document.documentElement, "data-theme", theme);
    setText(byId("theme-text"), `Theme: ${THEMES[theme]}`);
    byId("theme").title = `Theme: ${THEMES[theme]} (T)`;
    keep("theme", theme);
    forgetColours();
    this.onChange();
  }

  nextTheme() {
    const names = Object.keys(THEMES);
    this.setTheme(names[(names.indexOf(this.theme) + 1) % names.length]);
  }

  setDensity(density) {
    this.density = density;
    setAttribute(document.documentElement, "data-density", density);
    for (const button of byId("density").children) {
      setAttribute(button, "aria-pressed", String(button.dataset.density === density));
    }
    keep("density", density);
    this.onChange();
  }

  nextDensity() {
    this.setDensity(DENSITIES[(DENSITIES.indexOf(this.density) + 1) % DENSITIES.length]);
  }
}
