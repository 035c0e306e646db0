// Repeats the request of the launch page and shows what the answer, one JSON object a line, says is happening.
"use strict";
(() => {
  const page = document.getElementById("pnb-launch");
  const form = page.querySelector("form.pnb-launch");
  const bar = page.querySelector(".pnb-bar");
  const steps = [...page.querySelectorAll(".pnb-steps > li")];
  const error = page.querySelector(".pnb-error");
  const retry = page.querySelector(".pnb-retry");

  function show(stage) {
    const now = steps.findIndex((step) => step.dataset.stage === stage);
    steps.forEach((step, index) => {
      step.classList.toggle("pnb-done", index < now);
      step.classList.toggle("pnb-now", index === now);
    });
    const percent = Math.round(((now + 1) / (steps.length + 1)) * 100);
    bar.setAttribute("aria-valuenow", percent);
    bar.firstElementChild.style.width = `${percent}%`;
  }

  function fail(message, log) {
    error.hidden = retry.hidden = false;
    error.querySelector(".pnb-message").textContent = message;
    const block = error.querySelector(".pnb-log");
    block.hidden = !log;
    block.textContent = log || "";
  }

  function take(line) {
    const event = JSON.parse(line);
    if (event.stage === "failed") {
      fail(event.message, event.log);
      return true;
    }
    show(event.stage);
    if (event.location) {
      location.replace(event.location);
    }
    return Boolean(event.location);
  }

  function request() {
    const fields = new FormData(form);
    fields.delete("notebook_launch");
    const headers = { "X-Notebook-Launch": "stream" };
    const url = new URL(form.getAttribute("action"), location.href);
    if (form.method === "get") {
      url.search = new URLSearchParams(fields);
      return fetch(url, { headers, credentials: "same-origin" });
    }
    return fetch(url, { method: "POST", headers, body: new URLSearchParams(fields), credentials: "same-origin" });
  }

  async function launch() {
    error.hidden = retry.hidden = true;
    show("starting");
    const response = await request();
    if (!(response.headers.get("Content-Type") || "").startsWith("application/x-ndjson")) {
      throw new Error(`The site answered with status ${response.status}. Reload this page, and sign in again if asked.`);
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    let settled = false;
    for (;;) {
      const { done, value } = await reader.read();
      text += value || "";
      const lines = text.split("\n");
      text = lines.pop();
      for (const line of lines) {
        settled = take(line) || settled;
      }
      if (done) break;
    }
    if (!settled) throw new Error("The site stopped answering while your notebook was being opened.");
  }

  const run = () => launch().catch((reason) => fail(reason.message));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
  run();
})();
