// Small ways to make and change elements. Text is always set as text, never as markup.

/** An element with properties and children; `class`, `data-*`, `aria-*` and `on*` as named. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** One of the symbols in index.html; silent for screen readers, the word beside it speaks. */
export function icon(name) {
  const picture = document.createElementNS(SVG, "svg");
  picture.setAttribute("class", "icon");
  picture.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  picture.append(use);
  return picture;
}

export function setIcon(picture, name) {
  setAttribute(picture.firstChild, "href", `#i-${name}`);
}

export const byId = (id) => document.getElementById(id);

/** Changes nothing that is already so: layout and screen readers stay calm. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setHidden(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** Makes the children of `parent` exactly `wanted`. What stays is not moved: it would lose the focus. */
export function setChildren(parent, wanted) {
  const kept = new Set(wanted);
  for (const child of [...parent.children]) if (!kept.has(child)) child.remove();
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
}

const sizes = new WeakMap();
const observer = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    sizes.set(target, { width: contentRect.width, height: contentRect.height });
    target.dispatchEvent(new Event("resized"));
  }
});

/** Keeps the size of a canvas known, so that drawing need not ask for layout. */
export function watchSize(canvas) {
  observer.observe(canvas);
}

/** A cleared 2d context in CSS pixels and its size, or null while the canvas is not shown. */
export function freshContext(canvas) {
  const size = sizes.get(canvas);
  if (!size || size.width < 1 || size.height < 1) return null;
  const scale = Math.min(devicePixelRatio || 1, 2);
  const width = Math.round(size.width * scale);
  const height = Math.round(size.height * scale);
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  return { context, width: size.width, height: size.height };
}
