// Asks for the token.

import { byId, setText } from "./dom.js";

export class TokenPrompt {
  constructor(onGiven) {
    this.dialog = byId("token");
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const value = byId("token-input").value.trim();
      if (value === "") return;
      byId("token-input").value = "";
      this.dialog.close();
      onGiven(value);
    });
    this.dialog.addEventListener("cancel", (event) => event.preventDefault()); // nothing to see without
  }

  ask(problem) {
    setText(byId("token-problem"), problem);
    if (!this.dialog.open) this.dialog.showModal();
    byId("token-input").focus();
  }
}
