// Notices that a connection is half-open: nothing comes any more, though nobody has closed it (RFC 9293, 3.5.1).

// all times in milliseconds
const QUIET = 20_000; // without a word until the other side is asked for one
const ANSWER = 10_000; // that it may take to say something then
const LOOKS = 2; // in that time: a page that hung, or slept, hears what has come meanwhile before the second one

/**
 * Watches a connection from `begin()` to `end()`; its owner calls `heard()` for all that comes.
 *
 * It calls `ask()` when the other side should say something, and `gone()` when it does not; `queued()` is how many bytes
 * are still to be sent.
 */
export class Watch {
  #owner;
  #quiet;
  #answer;
  #last = 0;
  #looked = 0; // since the other side was asked
  #queued = 0; // at the last look
  #timer;

  constructor(owner, { quiet = QUIET, answer = ANSWER } = {}) {
    this.#owner = owner;
    this.#quiet = quiet;
    this.#answer = answer;
  }

  begin() {
    this.heard();
    this.#wait(this.#quiet);
  }

  /** Something has come; cheap, for no timer is set anew. */
  heard() {
    this.#last = performance.now();
    this.#looked = 0;
  }

  /** Ask now: the network, or the page, was away. */
  doubt() {
    if (this.#timer !== undefined && this.#looked === 0) this.#look(0);
  }

  end() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #wait(time) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(this.#quiet), time);
  }

  #look(quiet) {
    const before = this.#queued;
    this.#queued = this.#owner.queued();
    if (this.#queued < before) this.heard(); // it takes what is sent, and what we ask waits behind that
    const left = quiet - (performance.now() - this.#last); // a hidden page's timers are late
    if (this.#looked === 0 && left > 0) return this.#wait(left);
    if (this.#looked === LOOKS) return this.#owner.gone();
    if (this.#looked++ === 0) this.#owner.ask();
    this.#wait(this.#answer / LOOKS);
  }
}
