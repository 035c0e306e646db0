// The websocket between a page and one kernel; it is made anew when it breaks.

import { ChannelError, Disconnected } from "./errors.js";
import { decode, encode, sizeOf } from "./frames.js";
import { Watch } from "./watch.js";

const VERSION = 1;
// all times in milliseconds
const FIRST_DELAY = 250; // until the second attempt to connect; later ones wait longer
const LONGEST_DELAY = 15_000;
const WELCOME = 10_000; // a kernel that has not said welcome by then is tried again
const LASTING = 5_000; // a connection that held so long was a good one
const SOON = 1_000; // calls do not make more attempts than one in this time
const ATTEMPTS = 30; // until a kernel that was there is given up
const FIRST_ATTEMPTS = 5; // a kernel that never was there: a saved output may name one that is long gone
const MORE_ATTEMPTS = 3; // when the network or the user comes back
const NOBODY = "The kernel has no channel. Run the cell that opens it again.";
const DISAGREES = 1002; // code of a close (RFC 6455, 7.4.1)

/**
 * Keeps a connection to a kernel.
 *
 * Its owner has `take(frame)`, `lost(error)` for each connection that broke, and `became(state)`: connecting, open,
 * waiting (for another attempt), or closed (until somebody asks).
 */
export class Link {
  state = "closed";
  page = identity();
  #largest = 16 * 1024 * 1024;
  #address;
  #owner;
  #socket;
  #timer;
  #attempts = 0;
  #tried = 0;
  #since = 0;
  #wasOpen = false;
  #waiting = new Set();
  #watch;

  /** With the address, the owner, and other times for the watch. */
  constructor(address, owner, times) {
    this.#address = new URL(address);
    this.#address.protocol = this.#address.protocol.replace("http", "ws");
    this.#owner = owner;
    const watched = {
      ask: () => this.tell({ type: "ping" }),
      gone: () => this.#drop(this.#socket),
      queued: () => this.#socket.bufferedAmount,
    };
    this.#watch = new Watch(watched, times);
    const wake = () => document.visibilityState === "visible" && this.#wake();
    document.addEventListener("visibilitychange", wake);
    addEventListener("online", wake);
    // a page that was left may be kept, frozen and connected, for the way back: calls to it would wait in vain
    addEventListener("pagehide", () => this.#socket?.close());
    addEventListener("pageshow", ({ persisted }) => persisted && this.#wake());
  }

  /** Connect, where it is not connected; it is tried as often as at first. */
  connect() {
    this.#attempts = 0;
    if (this.state === "waiting" || this.state === "closed") this.#dial();
  }

  /** Wait until it is open; rejects with the reason of the signal, or when no kernel is found. */
  opened(signal) {
    if (this.state === "open") return Promise.resolve();
    if (this.state === "closed") this.connect();
    else if (this.state === "waiting" && performance.now() - this.#tried > SOON) this.#dial();
    return new Promise((resolve, reject) => {
      const look = (state) => {
        if (state === "open") done(resolve);
        else if (state === "closed") done(reject, new Disconnected(NOBODY));
      };
      const abort = () => done(reject, signal.reason);
      const done = (settle, reason) => {
        this.#waiting.delete(look);
        signal.removeEventListener("abort", abort);
        settle(reason);
      };
      if (signal.aborted) return reject(signal.reason);
      this.#waiting.add(look);
      signal.addEventListener("abort", abort);
    });
  }

  /** Send a frame; throws a RangeError where it is too large, and Disconnected where there is no connection. */
  send(header, buffers) {
    const message = encode(header, buffers);
    // a character has at most three bytes (RFC 3629)
    const size = message.length > this.#largest / 3 ? sizeOf(message) : 0;
    if (size > this.#largest) {
      throw new RangeError(`It has ${size} bytes, and a message may have ${this.#largest}. Send it as a stream.`);
    }
    if (this.state !== "open" || this.#socket.readyState !== WebSocket.OPEN) {
      throw new Disconnected("The kernel is not connected.");
    }
    this.#socket.send(message);
  }

  /** Send a frame if that is possible; where it is not, it does not matter any more. */
  tell(header) {
    try {
      this.send(header);
    } catch (error) {
      if (!(error instanceof ChannelError)) throw error;
    }
  }

  #dial() {
    clearTimeout(this.#timer);
    this.#tried = performance.now();
    const socket = (this.#socket = new WebSocket(this.#address));
    socket.binaryType = "arraybuffer";
    const hello = { type: "hello", version: VERSION, page: this.page, title: document.title };
    socket.onopen = () => socket.send(JSON.stringify(hello));
    socket.onmessage = ({ data }) => this.#heard(socket, data);
    socket.onclose = ({ code }) => this.#lost(socket, code);
    this.#timer = setTimeout(() => this.#drop(socket), WELCOME);
    this.#become("connecting");
  }

  #heard(socket, data) {
    if (socket !== this.#socket) return;
    this.#watch.heard();
    let frame;
    try {
      frame = decode(data);
    } catch (error) {
      console.error("The kernel sent what is no message of the channel:", error);
      return this.#drop(socket);
    }
    if (frame.header.type === "pong") return;
    if (frame.header.type !== "welcome") return this.#owner.take(frame);
    clearTimeout(this.#timer);
    this.#largest = frame.header.largest;
    this.#since = performance.now();
    this.#wasOpen = true;
    this.#watch.begin();
    this.#become("open");
  }

  #drop(socket) {
    socket.close();
    this.#lost(socket);
  }

  #lost(socket, code) {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    clearTimeout(this.#timer);
    this.#watch.end();
    const wasOpen = this.state === "open";
    if (wasOpen && performance.now() - this.#since > LASTING) this.#attempts = 0;
    const over = ++this.#attempts >= (this.#wasOpen ? ATTEMPTS : FIRST_ATTEMPTS) || (code === DISAGREES && !wasOpen);
    if (!over) {
      const delay = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** (this.#attempts - 1));
      this.#timer = setTimeout(() => this.#dial(), delay * (0.75 + Math.random() / 2)); // not all pages at once
    }
    this.#become(over ? "closed" : "waiting");
    this.#owner.lost(new Disconnected("The connection to the kernel broke before it answered."));
  }

  #wake() {
    if (this.state === "open") return this.#watch.doubt();
    if (!this.#wasOpen || (this.state !== "waiting" && this.state !== "closed")) return;
    this.#attempts = Math.min(this.#attempts, ATTEMPTS - MORE_ATTEMPTS);
    this.#dial();
  }

  #become(state) {
    if (this.state === state) return;
    this.state = state;
    for (const look of [...this.#waiting]) look(state);
    this.#owner.became(state);
  }
}

// crypto.randomUUID is missing where a page did not come by HTTPS
function identity() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
