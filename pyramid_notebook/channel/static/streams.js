// Bytes that come and go piece by piece.

import { bytesOf } from "./frames.js";

const encoder = new TextEncoder();

/** Bytes from the kernel: a ReadableStream that can be read whole, or in pieces of one's own; once. */
export function readable(stream) {
  const pieces = async function* () {
    const reader = stream.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  };
  return Object.assign(stream, {
    [Symbol.asyncIterator]: pieces, // Safari has none

    /** All bytes that are still to come. */
    async join() {
      const list = [];
      for await (const piece of pieces()) list.push(piece);
      return joined(list);
    },

    /** Pieces of so many bytes; the last one may have fewer. */
    async *byLimit(limit = 8192) {
      if (!(limit >= 1)) throw new RangeError("A piece has at least one byte.");
      let held = [];
      let size = 0;
      for await (const piece of pieces()) {
        held.push(piece);
        size += piece.length;
        if (size < limit) continue;
        const whole = joined(held);
        let start = 0;
        for (; whole.length - start >= limit; start += limit) yield whole.slice(start, start + limit);
        held = [whole.slice(start)];
        size = whole.length - start;
      }
      if (size) yield joined(held);
    },

    /** Pieces that end with a separator, which they keep; the last one may lack it. */
    async *bySeparator(separator = "\n") {
      const mark = typeof separator === "string" ? encoder.encode(separator) : bytesOf(separator);
      if (!mark?.length) throw new RangeError("A separator has at least one byte.");
      let room = new Uint8Array();
      let size = 0; // of what is held there
      let searched = 0;
      for await (const piece of pieces()) {
        if (size + piece.length > room.length) {
          const larger = new Uint8Array(2 * (size + piece.length)); // so that not all is copied for each piece
          larger.set(room.subarray(0, size));
          room = larger;
        }
        room.set(piece, size);
        size += piece.length;
        let start = 0;
        for (let place; (place = find(room.subarray(0, size), mark, searched)) >= 0; start = searched = place + mark.length) {
          yield room.slice(start, place + mark.length);
        }
        room.copyWithin(0, start, size);
        size -= start;
        searched = Math.max(0, size - mark.length + 1);
      }
      if (size) yield room.slice(0, size);
    },
  });
}

function joined(list) {
  if (list.length === 1) return list[0];
  const all = new Uint8Array(list.reduce((sum, piece) => sum + piece.length, 0));
  list.reduce((place, piece) => (all.set(piece, place), place + piece.length), 0);
  return all;
}

function find(bytes, mark, from) {
  let place = bytes.indexOf(mark[0], from);
  while (place >= 0 && !mark.every((byte, offset) => bytes[place + offset] === byte)) place = bytes.indexOf(mark[0], place + 1);
  return place;
}

/** Whether a function returned something that goes as a stream: bytes to be read, or what yields by itself. */
export function isStream(value) {
  if (value === null || typeof value !== "object") return false;
  if (value instanceof ReadableStream || value instanceof Blob || value[Symbol.asyncIterator]) return true;
  return typeof value.next === "function" && typeof value[Symbol.iterator] === "function";
}

/** Return `next` and `cancel` of what is sent as a stream; throws a TypeError where it is none. */
export function opened(source) {
  if (source instanceof Blob) return opened(source.stream());
  if (bytesOf(source)) return opened([source]);
  if (source instanceof ReadableStream) {
    const reader = source.getReader();
    return { next: () => reader.read(), cancel: (reason) => void reader.cancel(reason).catch(() => {}) };
  }
  const made = typeof source === "object" && (source?.[Symbol.asyncIterator] ?? source?.[Symbol.iterator]);
  if (!made) throw new TypeError("What goes as a stream is a ReadableStream, a Blob, bytes, or what yields bytes.");
  const iterator = made.call(source);
  return {
    next: async () => {
      const { done, value } = await iterator.next();
      return { done, value: await value };
    },
    cancel: () => void Promise.resolve(iterator.return?.()).catch(() => {}),
  };
}
