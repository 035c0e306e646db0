// Tries what notebooks need, tells the door what it saw, and shows what the door makes of that.
"use strict";
(() => {
  const SILENCE = 10000; // milliseconds after which a websocket counts as dead
  const page = document.getElementById("pnb-selftest");
  const address = page.dataset.address;
  const done = page.querySelector(".pnb-note");
  const error = page.querySelector(".pnb-error");
  const again = page.querySelector("button");

  function mark(probe, state, text) {
    const step = page.querySelector(`[data-probe="${probe}"]`);
    step.classList.toggle("pnb-now", state === "now");
    step.classList.toggle("pnb-done", state === "good");
    step.classList.toggle("pnb-bad", state === "bad");
    step.dataset.state = state;
    step.querySelector("span").textContent = text || "";
  }

  async function ask(query) {
    const response = await fetch(`${address}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
    return [await response.json(), response.headers.get("Server") || ""];
  }

  // How long the parts of an answer are apart; they all come at once where somebody holds them back.
  async function stream(url) {
    const response = await fetch(url);
    const reader = response.body.getReader();
    let first = null;
    for (;;) {
      const { done: over } = await reader.read();
      const now = performance.now();
      first ??= now;
      if (over) return Math.round(now - first);
    }
  }

  async function upload(url, size) {
    try {
      const response = await fetch(url, { method: "POST", body: new Blob([new Uint8Array(size)]) });
      const text = await response.text();
      const uploaded = response.ok ? JSON.parse(text).bytes : 0;
      return { upload: response.status, uploaded, uploader: response.headers.get("Server") || "" };
    } catch {
      return { upload: 0 };
    }
  }

  function websocket(url) {
    return new Promise((resolve) => {
      const seen = { opened: false, echoed: false };
      const connection = new WebSocket(new URL(url, location.href.replace(/^http/, "ws")));
      const large = new Uint8Array(1 << 20).fill(7);
      const end = () => {
        clearTimeout(patience);
        connection.close();
        resolve(seen);
      };
      const patience = setTimeout(end, SILENCE);
      connection.binaryType = "arraybuffer";
      connection.onopen = () => {
        seen.opened = true;
        connection.send("Grüße");
      };
      connection.onmessage = ({ data }) => {
        if (data === "Grüße") return connection.send(large);
        seen.echoed = data.byteLength === large.length && new Uint8Array(data).every((byte) => byte === 7);
        end();
      };
      connection.onclose = end;
    });
  }

  async function step(probe, work, isGood) {
    mark(probe, "now");
    const seen = await work();
    mark(probe, isGood(seen) ? "good" : "bad", isGood(seen) ? "" : "– no");
    return seen;
  }

  function show(verdict) {
    page.querySelector(".pnb-hops").textContent = verdict.hops.join(" → ");
    done.hidden = verdict.faults.length > 0;
    error.hidden = !done.hidden;
    const items = verdict.faults.map((fault) => {
      const item = document.createElement("li");
      const [hop, setting] = [document.createElement("strong"), document.createElement("code")];
      hop.textContent = fault.hop;
      setting.textContent = fault.setting;
      item.dataset.fault = fault.name;
      item.append(hop, `: ${fault.text} Set `, setting, ".");
      return item;
    });
    page.querySelector(".pnb-faults").replaceChildren(...items);
  }

  async function run() {
    again.hidden = done.hidden = error.hidden = true;
    const [first, server] = await step("plain", () => ask({}), ([answer]) => Boolean(answer.probes));
    const { probes, upload_bytes: size, least_spread: least } = first;
    const seen = { origin: location.origin, server };
    seen.stream = await step("stream", () => stream(probes.stream), (spread) => spread >= least);
    seen.marked = await stream(probes.marked);
    Object.assign(seen, await step("upload", () => upload(probes.upload, size), (sent) => sent.uploaded === size));
    Object.assign(seen, await step("websocket", () => websocket(probes.websocket), (tried) => tried.echoed));
    const name = new URL(probes.websocket, location.href).searchParams.get("name");
    const [verdict] = await ask({ seen: JSON.stringify(seen), websocket: name });
    show(verdict);
  }

  function start() {
    run()
      .catch((reason) => {
        error.hidden = false;
        page.querySelector(".pnb-faults").textContent = `The site does not answer as it should: ${reason.message}`;
      })
      .finally(() => {
        again.hidden = false;
        page.dataset.state = "done";
      });
  }

  again.addEventListener("click", start);
  start();
})();
