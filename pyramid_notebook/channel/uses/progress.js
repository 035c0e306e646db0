// A bar that asks the kernel how far it is, and a button that stops the loop.
({ element, about, make, tell }) => {
  const bar = make("progress", { "aria-label": about.label });
  const text = make("span", {});
  const button = make("button", { type: "button" }, "Stop");
  const show = ({ done, total, stopping }) => {
    if (total) [bar.max, bar.value] = [total, done];
    text.textContent = total ? `${done} of ${total} ` : `${done} `;
    button.disabled = stopping;
  };
  button.onclick = async () => {
    button.disabled = true;
    show(await tell("stop"));
  };
  const follow = async () => {
    try {
      for (;;) {
        show(await tell("state"));
        await new Promise((resolve) => setTimeout(resolve, 200));
        if (!element.isConnected) await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    } catch {
      button.disabled = true; // it is over, or the kernel is away
    }
  };
  follow();
  element.setAttribute("aria-live", "off"); // each step would be read out
  return [make("label", {}, `${about.label}: `), bar, text, button];
}
