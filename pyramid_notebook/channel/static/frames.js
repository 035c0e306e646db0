// Values to messages and back: what protocol.py does in the kernel.

const HEADER = 4; // bytes of a binary message that tell the header's length
const DEEPEST = 200; // levels of lists and objects in a value
const NO_VALUES = [Map, Set, Promise, Blob]; // they would go as {}
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Return a frame as a text message, or with bytes, as a binary one. */
export function encode(header, buffers = []) {
  const text = JSON.stringify(header);
  if (!buffers.length) return text;
  const head = encoder.encode(text);
  const size = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
  const message = new Uint8Array(HEADER + head.length + size);
  new DataView(message.buffer).setUint32(0, head.length);
  message.set(head, HEADER);
  let place = HEADER + head.length;
  for (const buffer of buffers) {
    message.set(buffer, place);
    place += buffer.byteLength;
  }
  return message;
}

/** Return how many bytes a message has on its way. */
export const sizeOf = (message) => (typeof message === "string" ? encoder.encode(message).length : message.length);

/** Return the frame that a message holds; throws where it holds none. */
export function decode(data) {
  if (typeof data === "string") return { header: JSON.parse(data), payload: new Uint8Array() };
  const start = HEADER + new DataView(data).getUint32(0);
  return {
    header: JSON.parse(decoder.decode(new Uint8Array(data, HEADER, start - HEADER))),
    payload: new Uint8Array(data, start),
  };
}

/** Return a view of bytes of any kind, or undefined for what is none. */
export function bytesOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : undefined;
}

/** Return a value as JSON can hold it, the places of the bytes in it, and these bytes; throws a TypeError for others. */
export function pack(value) {
  const found = { places: [], buffers: [] };
  return { packed: packed(value, [], found), ...found };
}

function packed(value, path, found) {
  if (value === undefined || value === null || typeof value === "string" || typeof value === "boolean") return value ?? null;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError(`${at(path)} is ${value}, which JSON does not have.`);
    return value;
  }
  if (typeof value !== "object") throw new TypeError(`${at(path)} is a ${typeof value}, which cannot be sent.`);
  const bytes = bytesOf(value);
  if (bytes) {
    found.places.push([[...path], bytes.byteLength]);
    found.buffers.push(bytes);
    return null;
  }
  if (path.length > DEEPEST) throw new TypeError(`A value holds more than ${DEEPEST} levels, or itself.`);
  if (typeof value.toJSON === "function") return packed(value.toJSON(), path, found);
  const refused = NO_VALUES.find((kind) => value instanceof kind);
  if (refused) throw new TypeError(`${at(path)} is a ${refused.name}, which cannot be sent.`);
  const inner = (key, item) => {
    path.push(key);
    const result = packed(item, path, found);
    path.pop();
    return result;
  };
  if (Array.isArray(value)) return Array.from(value, (item, place) => inner(place, item));
  const entries = Object.entries(value).filter(([, item]) => item !== undefined && typeof item !== "function");
  return Object.fromEntries(entries.map(([key, item]) => [key, inner(key, item)]));
}

const at = (path) => (path.length ? `The value at ${path.map((key) => `[${JSON.stringify(key)}]`).join("")}` : "The value");

/** Return a value with its bytes put back. */
export function unpack(value, places = [], payload = new Uint8Array()) {
  const root = [value];
  let start = 0;
  for (const [path, length] of places) {
    const keys = [0, ...path];
    const last = keys.pop();
    const holder = keys.reduce((inner, key) => own(inner, key)[key], root);
    if (length > payload.length - start) throw new TypeError("A message has fewer bytes than it says.");
    own(holder, last)[last] = payload.slice(start, start + length);
    start += length;
  }
  return root[0];
}

function own(holder, key) {
  if (!holder || !Object.hasOwn(holder, key)) throw new TypeError("A message names no place for its bytes.");
  return holder;
}
