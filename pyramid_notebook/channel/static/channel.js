// The page's end of the channel: JavaScript calls Python in the kernel, and is called by it.
//
// There is one connection for each kernel of a page, however often the output that opens it is shown.

import { Connection } from "./connection.js";

export { ChannelError, ChannelTimeout, Disconnected, KernelError } from "./errors.js";

/** A channel of a kernel: `call`, `callWith`, `expose`, `state`, and the event "state". */
export class Channel extends EventTarget {
  #connection;
  #exposed = new Map();

  constructor(connection, name) {
    super();
    this.#connection = connection;
    this.name = name;
    this.handler = undefined;
  }

  /** connecting, open, waiting (for another attempt), or closed (until a call is made, or the cell is run again). */
  get state() {
    return this.#connection.state;
  }

  /** The id by which the kernel calls this very page, until it is loaded anew. */
  get page() {
    return this.#connection.page;
  }

  /** Call a function of the kernel; resolves with its value. */
  call(name, ...values) {
    return this.#connection.call(this.name, name, values);
  }

  /**
   * The same with options: `timeout` in milliseconds, `signal` of an AbortController, and a `stream`, which the function
   * gets before the values: a ReadableStream, a Blob, bytes, or what yields bytes.
   */
  callWith(options, name, ...values) {
    return this.#connection.call(this.name, name, values, options);
  }

  /**
   * Let the kernel call functions: `expose({name: function, …})`, or `expose(name, function)`.
   *
   * In a `function`, `this` has `signal`, which is aborted when the kernel does not wait any more, and `channel`.
   */
  expose(functions, one) {
    const entries = typeof functions === "string" ? [[functions, one]] : Object.entries(functions);
    for (const [name, found] of entries) {
      if (typeof found !== "function") throw new TypeError(`${name} is no function.`);
      this.#exposed.set(name, (values, signal) => found.apply({ channel: this, signal }, values));
    }
    return this;
  }

  /** What the kernel calls by a name, or undefined: what was exposed, else a method of the handler's own. */
  function(name) {
    if (this.#exposed.has(name)) return this.#exposed.get(name);
    const { handler } = this;
    if (!handler || typeof handler[name] !== "function" || name === "constructor" || name in Object.prototype) return undefined;
    return (values) => handler[name](...values);
  }

  /** Run the code of the channel, as the kernel has it: once for each connection. */
  run(code) {
    if (!code) return undefined;
    return (0, eval)(`(${code.replace(/[;\s]+$/, "")}\n)`).call(this, this);
  }

  /** Wait until the kernel is connected. */
  ready({ timeout = 3000 } = {}) {
    return this.#connection.ready(timeout);
  }

  closedByKernel() {
    this.#exposed.clear();
    this.handler = undefined;
    this.dispatchEvent(new CustomEvent("close"));
  }
}

const known = (globalThis[Symbol.for("pyramid_notebook.channel")] ??= new Map());

/**
 * Return the channel of a kernel, and connect; what the output of open_channel() calls, and may call again.
 *
 * From then on `notebookChannel(name, kernel)` returns it too; without names, the one that was shown last.
 */
export function connect(base, kernel, name = "main") {
  if (!known.has(kernel)) known.set(kernel, new Connection(base, kernel, (of, name) => new Channel(of, name)));
  const connection = known.get(kernel);
  const channel = connection.channel(name);
  connection.connect();
  globalThis.notebookChannel = (wanted = name, of = kernel) => known.get(of)?.channel(wanted);
  return channel;
}
