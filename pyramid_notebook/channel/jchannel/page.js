// What jchannel's page has beyond ours: echo, pipe, callWithStream, and its two exceptions.
(channel, initialise) => {
  const { KernelError, StateError } = (self.jchannel ??= {
    KernelError: class KernelError extends Error {
      name = "KernelError";
    },
    StateError: class StateError extends Error {
      name = "StateError";
    },
  });
  const named = { KernelError, Disconnected: StateError };
  const ours = Object.getPrototypeOf(channel);
  const asked = async (options, name, values) => {
    try {
      return await ours.callWith.call(channel, options, name, ...values);
    } catch (error) {
      const other = named[error?.name];
      throw other ? new other(error.message, { cause: error }) : error;
    }
  };
  channel.call = (name, ...values) => asked({}, name, values);
  channel.callWithStream = (name, stream, ...values) => asked({ stream }, name, values);
  channel.echo = (...values) => asked({}, "jchannel.echo", values);
  channel.pipe = (stream) => asked({ stream }, "jchannel.pipe", []);
  // what it returns is asked for later; until its first await it runs at once
  const opened = (async () => initialise()(channel))();
  opened.catch(() => {});
  channel.expose({
    "jchannel.opened": () => opened,
    "jchannel.echo": (...values) => values,
    "jchannel.pipe": (stream) => stream,
  });
}
