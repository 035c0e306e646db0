// What can go wrong between page and kernel.

const LONGEST = 100_000; // characters of what the kernel is told of an exception

/** A call did not return a value, and the kernel is not to blame. */
export class ChannelError extends Error {
  name = "ChannelError";
}

/** The connection broke before the kernel answered, or there is none. */
export class Disconnected extends ChannelError {
  name = "Disconnected";
}

/** The kernel did not answer in time. */
export class ChannelTimeout extends ChannelError {
  name = "ChannelTimeout";
}

/** The function in the kernel raised an exception: `pythonName`, `pythonMessage`, `traceback`. */
export class KernelError extends ChannelError {
  name = "KernelError";

  constructor({ name = "Error", message = "", trace = "", kind = "" }) {
    super(message ? `${name}: ${message}` : name);
    this.pythonName = name;
    this.pythonMessage = message;
    this.traceback = trace;
    this.kind = kind;
  }
}

/** Return an exception as the kernel is told of it; anything may be thrown, and nothing may go wrong here. */
export function told(error) {
  if (error instanceof KernelError) return { name: error.pythonName, message: error.pythonMessage, trace: error.traceback };
  const is = typeof error?.message === "string"; // a DOMException, or an Error of another frame, is no Error of ours
  return {
    name: text(is && error.name) || "Error",
    message: is ? text(error.message) : text(error) || describe(error),
    trace: text(is && error.stack),
    kind: text(error?.kind) || "exception",
  };
}

const text = (value) => (typeof value === "string" ? value.slice(0, LONGEST) : "");

function describe(value) {
  try {
    return text(typeof value === "object" && value ? JSON.stringify(value) : String(value)) || "It threw no Error.";
  } catch {
    return "It threw no Error, and something that has no text.";
  }
}
