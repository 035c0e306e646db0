// For a page of the site that shows a notebook in an iframe: the page calls functions of the kernel, and is called.
//
// Both ends take messages of their own origin only, and of each other only.

const PATIENCE = 30000; // milliseconds

/** A bridge to the notebook in an iframe: `call`, `expose`, `close`, and the event "ready". */
export class NotebookBridge extends EventTarget {
  #frame;
  #exposed = new Map();
  #waiting = new Map();
  #last = 0;
  #isReady = false;
  #take = (event) => this.#taken(event);
  #loaded = () => this.#greet();

  /** frame: the iframe; functions: that the kernel may call, by name. */
  constructor(frame, functions = {}) {
    super();
    this.#frame = frame;
    this.expose(functions);
    addEventListener("message", this.#take);
    frame.addEventListener("load", this.#loaded);
    this.#greet();
  }

  /** Let the kernel call functions: `expose({name: function, …})`. */
  expose(functions) {
    for (const [name, found] of Object.entries(functions)) {
      if (typeof found !== "function") throw new TypeError(`${name} is no function.`);
      this.#exposed.set(name, found);
    }
    return this;
  }

  /** Call a function that the kernel exposes on its bridge; waits until the notebook has opened one. */
  call(name, ...values) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle(id, "reject", new Error(`The notebook did not answer ${name}() in time.`)), PATIENCE);
      const begin = () => {
        if (!this.#waiting.has(id)) return;
        try {
          this.#post({ type: "call", id, name, values });
        } catch (error) {
          this.#settle(id, "reject", error); // a value that cannot be cloned
        }
      };
      this.#waiting.set(id, { resolve, reject, timer });
      if (this.#isReady) begin();
      else this.addEventListener("ready", begin, { once: true });
    });
  }

  /** Neither call nor be called any more. */
  close() {
    removeEventListener("message", this.#take);
    this.#frame.removeEventListener("load", this.#loaded);
    for (const id of [...this.#waiting.keys()]) this.#settle(id, "reject", new Error("The bridge was closed."));
  }

  /** Ask whether the notebook in the iframe, which may be another one now, has opened its end. */
  #greet() {
    this.#isReady = false;
    this.#post({ type: "hello" });
  }

  #post(message) {
    this.#frame.contentWindow?.postMessage({ notebookBridge: 1, ...message }, location.origin);
  }

  #settle(id, how, value) {
    const call = this.#waiting.get(id);
    if (!call) return;
    this.#waiting.delete(id);
    clearTimeout(call.timer);
    call[how](value);
  }

  #taken({ data, origin, source }) {
    if (origin !== location.origin || source !== this.#frame.contentWindow || data?.notebookBridge !== 1) return;
    const { type, id, value, error } = data;
    if (type === "call") this.#answer(data);
    else if (type === "result") this.#settle(id, "resolve", value);
    else if (type === "error") this.#settle(id, "reject", Object.assign(new Error(error.message), { name: error.name }));
    else if (type === "ready") {
      this.#isReady = true;
      this.dispatchEvent(new CustomEvent("ready"));
    }
  }

  async #answer({ id, name, values }) {
    try {
      const found = this.#exposed.get(name);
      if (!found) throw new ReferenceError(`The page of the site exposes no function "${name}".`);
      this.#post({ type: "result", id, value: await found(...values) });
    } catch (error) {
      this.#post({ type: "error", id, error: { name: error?.name ?? "Error", message: error?.message ?? String(error) } });
    }
  }
}
