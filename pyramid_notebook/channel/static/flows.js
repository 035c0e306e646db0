// The streams of one connection, both ways.
//
// Those for the kernel go in frames, as many as it has given credit for; those from it are fetched by HTTP.

import { Disconnected, KernelError, told } from "./errors.js";
import { bytesOf } from "./frames.js";
import { readable } from "./streams.js";

const PIECE = 64 * 1024;
const WINDOW = 16 * PIECE;
const END = 5_000; // milliseconds after its last byte in which the kernel has said how a stream ended

export class Flows {
  #last = 0;
  #going = new Map(); // id -> {credit, stop}
  #coming = new Map(); // ticket -> {end, abandon}
  #link;
  #addressOf;

  /** With a link, and a function that returns the address of a ticket. */
  constructor(link, addressOf) {
    this.#link = link;
    this.#addressOf = addressOf;
  }

  /** Return an id that no stream had. */
  number() {
    return ++this.#last;
  }

  credit({ stream, bytes }) {
    this.#going.get(stream)?.credit(bytes);
  }

  /** The kernel does not read a stream any more, or with an error: nobody is to read it. */
  stop({ stream }, error) {
    this.#going.get(stream)?.stop(error);
  }

  end(header) {
    this.#coming.get(header.ticket)?.end(header);
  }

  /** Tell the kernel that nobody will fetch this. */
  refuse(ticket) {
    this.#coming.delete(ticket);
    this.#link.tell({ type: "stop", ticket });
  }

  /** The connection is gone, and all streams with it. */
  lost(error) {
    for (const { stop } of [...this.#going.values()]) stop();
    for (const { abandon } of [...this.#coming.values()]) abandon(error);
  }

  /** Send all pieces of what was opened, with an id that the kernel knows already. */
  async pour(id, pieces) {
    const flow = this.#flow(id, pieces);
    let size = 0;
    let about = {};
    try {
      for (let next; !flow.over && !(next = await pieces.next()).done; ) {
        const whole = bytesOf(next.value);
        if (!whole) throw new TypeError(`A stream yielded a ${typeof next.value}, and its pieces are bytes.`);
        for (let start = 0; start < whole.length && !flow.over; start += PIECE) {
          const piece = whole.subarray(start, start + PIECE);
          await flow.room(piece.length);
          if (flow.over) return;
          this.#link.send({ type: "data", stream: id }, [piece]);
          size += piece.length;
        }
      }
    } catch (error) {
      pieces.cancel(error);
      about = { error: told(error) };
    } finally {
      this.#going.delete(id);
    }
    if (!flow.over) this.#link.tell({ type: "end", stream: id, size, ...about });
  }

  #flow(id, pieces) {
    let left = WINDOW;
    let wake = () => {};
    const flow = {
      over: false,
      credit: (bytes) => ((left += bytes), wake()),
      stop: (error) => {
        if (flow.over) return;
        flow.over = true;
        this.#going.delete(id);
        if (error) this.#link.tell({ type: "end", stream: id, size: 0, error: told(error) });
        wake();
        pieces.cancel(error);
      },
      room: async (bytes) => {
        while (left < bytes && !flow.over) await new Promise((resolve) => (wake = resolve));
        left -= bytes;
      },
    };
    this.#going.set(id, flow);
    return flow;
  }

  /** Return the stream with a ticket, which is fetched when it is read; it fails where the kernel could not send all. */
  fetched(ticket) {
    const controller = new AbortController();
    const ended = new Promise((resolve) => {
      const abandon = (lost) => (resolve({ lost }), controller.abort(lost));
      this.#coming.set(ticket, { end: resolve, abandon });
    });
    let reader;
    let size = 0;
    const pull = async (sink) => {
      reader ??= await this.#begun(ticket, controller.signal);
      const { done, value } = await reader.read().catch(() => ({ done: true })); // why, the kernel says
      if (done) {
        complete(await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, END))]), size);
        this.#coming.delete(ticket);
        return sink.close();
      }
      size += value.length;
      sink.enqueue(value);
    };
    const failed = (error) => {
      this.refuse(ticket);
      controller.abort(error);
      throw error;
    };
    const cancel = (reason) => {
      this.refuse(ticket);
      controller.abort(reason);
    };
    return readable(new ReadableStream({ pull: (sink) => pull(sink).catch(failed), cancel }, { highWaterMark: 0 }));
  }

  async #begun(ticket, signal) {
    signal.throwIfAborted();
    const asked = fetch(this.#addressOf(ticket), { signal, cache: "no-store", redirect: "error" });
    const answer = await asked.catch((error) => {
      throw signal.aborted ? signal.reason : new Disconnected(`The stream cannot be fetched: ${error.message}.`);
    });
    if (!answer.ok) throw new Disconnected(`The stream cannot be fetched: ${answer.status}.`);
    return answer.body.getReader();
  }
}

function complete(header, size) {
  if (!header) throw new Disconnected("The stream broke off.");
  if (header.lost) throw header.lost;
  if (header.error) throw new KernelError(header.error);
  if (header.size !== size) throw new Disconnected(`Only ${size} of ${header.size} bytes came.`);
}
