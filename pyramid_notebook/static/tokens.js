// Copies a new token, sends no form twice, and leaves nothing of a token behind when the page is left.
"use strict";
(() => {
  const PATIENCE = 10000; // milliseconds in which a second click is taken for a mistake
  const page = document.getElementById("pnb-tokens");
  const made = page.querySelector(".pnb-made");
  let sent = -Infinity;

  // the answer to a first click would be lost, and with it the token
  page.addEventListener("submit", (event) => {
    if (event.timeStamp - sent < PATIENCE) {
      event.preventDefault();
    } else {
      sent = event.timeStamp;
    }
  });
  addEventListener("pageshow", () => {
    sent = -Infinity;
  });
  history.replaceState(null, "", location.href); // so reloading reads the page, and sends no form again
  if (!made) return;

  const secret = document.getElementById("pnb-secret");
  const button = made.querySelector(".pnb-copy");

  async function copy() {
    secret.focus();
    secret.select();
    try {
      await navigator.clipboard.writeText(secret.value);
      return true;
    } catch {
      return document.execCommand("copy"); // without TLS browsers have no clipboard for scripts
    }
  }

  button.hidden = false;
  button.addEventListener("click", async () => {
    made.querySelector(".pnb-copied").textContent = (await copy())
      ? "Copied."
      : "Your browser does not let it be copied this way. It is selected: copy it with the keyboard.";
  });
  secret.addEventListener("focus", () => secret.select());
  addEventListener("pagehide", () => made.remove()); // browsers keep pages for their button Back
})();
