// The notebook's end of a bridge to the page in which it is embedded; static/bridge.js is the other one.
(channel) => {
  const isEmbedded = () => {
    try {
      return parent !== self && parent.location.origin === location.origin;
    } catch {
      return false; // a page of another origin: it gets nothing, and is asked nothing
    }
  };
  channel.bridge?.abort(); // this runs again when the page has connected again
  const { signal } = (channel.bridge = new AbortController());
  const waiting = new Map();
  let last = 0;
  const post = (message) => isEmbedded() && parent.postMessage({ notebookBridge: 1, ...message }, location.origin);
  const failed = (id, { name, message, pythonName }) => post({ type: "error", id, error: { name: pythonName ?? name, message } });
  const settled = (id, settle) => {
    const call = waiting.get(id);
    waiting.delete(id);
    if (call) settle(call);
  };
  const takes = {
    hello: () => post({ type: "ready" }),
    call: ({ id, name, values }) =>
      channel
        .call(name, ...values)
        .then((value) => post({ type: "result", id, value }))
        .catch((error) => failed(id, error)),
    result: ({ id, value }) => settled(id, ({ resolve }) => resolve(value)),
    error: ({ id, error }) => settled(id, ({ reject }) => reject(Object.assign(new Error(error.message), { name: error.name }))),
  };
  const take = ({ data, origin, source }) => {
    if (origin !== location.origin || source !== parent || parent === self || data?.notebookBridge !== 1) return;
    if (Object.hasOwn(takes, data.type)) takes[data.type](data);
  };
  addEventListener("message", take, { signal });
  channel.expose({
    embedded: isEmbedded,
    site(name, values) {
      if (!isEmbedded()) throw new Error("This notebook is not embedded in a page of its own site.");
      const id = ++last;
      this.signal.addEventListener("abort", () => waiting.delete(id));
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject });
        post({ type: "call", id, name, values });
      });
    },
  });
  post({ type: "ready" });
}
