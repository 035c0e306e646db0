// All channels between a page and one kernel: calls both ways.
//
// protocol.py says what the two ends tell each other.

import { ChannelError, ChannelTimeout, Disconnected, KernelError, told } from "./errors.js";
import { Flows } from "./flows.js";
import { pack, unpack } from "./frames.js";
import { Link } from "./link.js";
import { isStream, opened } from "./streams.js";

const PATIENCE = 10_000; // milliseconds that a call without a time-out waits for a connection
const NOT_CONNECTED = "The kernel is not connected. Run the cell that opens the channel again.";
const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds; a longer one would be over at once (HTML, "timers")

/** One connection to one kernel. */
export class Connection {
  #made;
  #channels = new Map();
  #last = 0;
  #calls = new Map(); // id -> {resolve, reject}
  #running = new Map(); // id of a call from the kernel -> AbortController
  #link;
  #flows;

  /** With the base URL, the kernel's id, and a function that makes a channel of a name. */
  constructor(base, kernel, made) {
    const under = new URL(`${base}channel/${kernel}/`, location.href);
    this.#made = made;
    this.#link = new Link(new URL("socket", under), this);
    this.#flows = new Flows(this.#link, (ticket) => new URL(`streams/${ticket}`, under));
  }

  get state() {
    return this.#link.state;
  }

  /** The id that this page has for the kernel, until it is loaded anew. */
  get page() {
    return this.#link.page;
  }

  channel(name) {
    if (!this.#channels.has(name)) this.#channels.set(name, this.#made(this, name));
    return this.#channels.get(name);
  }

  connect() {
    this.#link.connect();
  }

  /** Wait until the kernel is connected. */
  async ready(timeout) {
    const signal = AbortSignal.timeout(timeout);
    await this.#link.opened(signal).catch((error) => {
      throw error === signal.reason ? new Disconnected(`No kernel connected within ${timeout} ms.`) : error;
    });
  }

  // what the link tells

  became(state) {
    for (const channel of this.#channels.values()) channel.dispatchEvent(new CustomEvent("state", { detail: state }));
  }

  lost(error) {
    const calls = [...this.#calls.values()];
    const running = [...this.#running.values()];
    this.#calls.clear();
    this.#running.clear();
    this.#flows.lost(error);
    for (const call of calls) call.reject(error);
    for (const controller of running) controller.abort(error);
  }

  take({ header, payload }) {
    switch (header.type) {
      case "open":
        return this.#answer(header, () => this.channel(header.channel).run(header.code));
      case "close":
        return this.#channels.get(header.channel)?.closedByKernel();
      case "call":
        return this.#answer(header, (signal) => this.#called(header, payload, signal));
      case "result":
      case "error":
        return this.#finish(header, payload);
      case "cancel":
        return this.#running.get(header.id)?.abort(new ChannelError("The kernel does not wait any more."));
      case "credit":
        return this.#flows.credit(header);
      case "stop":
        return this.#flows.stop(header);
      case "end":
        return this.#flows.end(header);
    }
  }

  // calls from the kernel

  async #answer(header, work) {
    const controller = new AbortController();
    const { signal } = controller; // aborted as well when the connection is lost
    this.#running.set(header.id, controller);
    try {
      const value = await work(signal);
      if (isStream(value)) this.#replyStream(header.id, opened(value), signal);
      else if (!signal.aborted) this.#link.send(...filled({ type: "result", id: header.id }, "value", value));
    } catch (error) {
      if (!signal.aborted) this.#link.tell({ type: "error", id: header.id, error: told(error) });
    } finally {
      if (this.#running.get(header.id) === controller) this.#running.delete(header.id);
    }
  }

  #replyStream(call, pieces, signal) {
    if (signal.aborted) return pieces.cancel(signal.reason);
    const id = this.#flows.number();
    this.#link.send({ type: "result", id: call, stream: { id } });
    this.#flows.pour(id, pieces);
  }

  async #called(header, payload, signal) {
    const ticket = header.stream?.ticket;
    try {
      const found = this.#channels.get(header.channel)?.function(header.name);
      if (!found) throw notExposed(header);
      const values = unpack(header.args, header.buffers, payload);
      if (ticket) values.unshift(this.#flows.fetched(ticket));
      return await found(values, signal);
    } catch (error) {
      if (ticket) this.#flows.refuse(ticket);
      throw error;
    }
  }

  // calls to the kernel

  async call(channel, name, values, { timeout, signal: outer, stream } = {}) {
    outer?.throwIfAborted();
    const [header, buffers] = filled({ type: "call", channel, name }, "args", values);
    const pieces = stream === undefined ? undefined : opened(stream);
    const controller = new AbortController();
    const abort = (kind, text) => () => controller.abort(new kind(text));
    // made first: of two timers of one time that comes first
    const alone = after(timeout > 0 ? timeout : PATIENCE, abort(Disconnected, NOT_CONNECTED));
    const late = after(timeout, abort(ChannelTimeout, `The kernel did not answer ${name}() within ${timeout} ms.`));
    const pass = () => controller.abort(outer.reason);
    outer?.addEventListener("abort", pass);
    try {
      await this.#link.opened(controller.signal);
      clearTimeout(alone);
      return await this.#asked(header, buffers, pieces, controller.signal);
    } catch (error) {
      pieces?.cancel(error);
      throw error;
    } finally {
      clearTimeout(late);
      clearTimeout(alone);
      outer?.removeEventListener("abort", pass);
    }
  }

  #asked(header, buffers, pieces, signal) {
    const id = ++this.#last;
    const about = pieces && { stream: { id: this.#flows.number() } };
    return new Promise((resolve, reject) => {
      const settle = (how) => (value) => {
        this.#calls.delete(id);
        signal.removeEventListener("abort", abort);
        how(value);
      };
      const fail = settle((error) => {
        if (about) this.#flows.stop({ stream: about.stream.id }, error);
        reject(error);
      });
      const abort = () => {
        this.#link.tell({ type: "cancel", id });
        fail(signal.reason);
      };
      signal.throwIfAborted();
      this.#link.send({ ...header, id, ...about }, buffers);
      this.#calls.set(id, { resolve: settle(resolve), reject: fail });
      signal.addEventListener("abort", abort);
      if (about) this.#flows.pour(about.stream.id, pieces);
    });
  }

  #finish(header, payload) {
    const call = this.#calls.get(header.id);
    const ticket = header.stream?.ticket;
    if (!call) return ticket && this.#flows.refuse(ticket); // nobody waits any more
    if (header.type === "error") return call.reject(new KernelError(header.error));
    try {
      call.resolve(ticket ? this.#flows.fetched(ticket) : unpack(header.value, header.buffers, payload));
    } catch (error) {
      call.reject(error);
    }
  }
}

/** Start a timer, if the time is one. */
const after = (time, work) => (time > 0 && time <= LONGEST_TIMER ? setTimeout(work, time) : undefined);

function filled(header, key, value) {
  const { packed, places, buffers } = pack(value);
  return [{ ...header, [key]: packed, ...(places.length && { buffers: places }) }, buffers];
}

function notExposed({ name, channel }) {
  const error = new ReferenceError(`The page exposes no function "${name}" on channel "${channel}".`);
  return Object.assign(error, { kind: "not-exposed" });
}
