// The page by keyboard alone.

const TYPING = "input, select, textarea";

/** `actions`: functions by name; `move(key)` returns whether it used the key. */
export function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return; // it has its own keys
    const typing = event.target.matches?.(TYPING) && event.target.type !== "checkbox";
    if (typing ? whileTyping(event, actions) : anywhere(event, actions)) event.preventDefault();
  });
}

function whileTyping({ key }, actions) {
  if (key === "Escape") {
    actions.clearFilter();
    return true;
  }
  if (key !== "Enter" && key !== "ArrowDown") return false;
  if (document.activeElement.type !== "search") return false;
  actions.toStreams();
  return true;
}

function anywhere({ key }, actions) {
  const byKey = {
    Escape: actions.leave,
    "/": actions.toFilter,
    "?": actions.help,
    o: actions.openOnly,
    a: actions.newestIncident,
    i: actions.incidents,
    d: actions.density,
    t: actions.theme,
    f: actions.fullScreen,
  };
  const action = byKey[key.length === 1 ? key.toLowerCase() : key];
  if (action) {
    action();
    return true;
  }
  return actions.move(key);
}
