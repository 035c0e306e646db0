// Finds the parts of a kind in the page, now and later, and has each filled once.
(channel, kind, fill) => {
  const css = `
    [data-notebook-use] { font: var(--jp-ui-font-size1, 13px) var(--jp-ui-font-family, sans-serif); color: var(--jp-ui-font-color1, inherit); padding: 4px 0; }
    [data-notebook-use] p { margin: 0 0 6px; }
    [data-notebook-use] label { margin-right: 8px; }
    [data-notebook-use] button { font: inherit; color: inherit; background: var(--jp-layout-color2, transparent); border: 1px solid var(--jp-border-color1, currentColor); border-radius: 2px; padding: 4px 12px; margin-right: 8px; cursor: pointer; }
    [data-notebook-use] button:disabled { opacity: 0.5; cursor: default; }
    [data-notebook-use] :focus-visible { outline: 2px solid var(--jp-brand-color1, Highlight); outline-offset: 1px; }
    [data-notebook-use] progress, [data-notebook-use] input[type="range"] { vertical-align: middle; margin-right: 8px; }
    [data-notebook-use] img { display: block; max-width: 100%; max-height: 480px; }`;
  const make = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.append(...children);
    return made;
  };
  channel.parts?.disconnect(); // this runs again when the page has connected again
  channel.keys?.abort();
  channel.keys = new AbortController();
  const wanted = `[data-notebook-use="${kind}"]`;
  // Jupyter hears keys at the document, and arrows and Enter would choose and edit cells there
  const keep = (event) => {
    if (event.ctrlKey || event.metaKey || event.key === "Escape" || !event.target.closest?.(wanted)) return;
    event.stopImmediatePropagation();
  };
  addEventListener("keydown", keep, { capture: true, signal: channel.keys.signal });
  const filled = (channel.filled ??= new WeakSet());
  const look = async (element) => {
    if (filled.has(element)) return;
    filled.add(element);
    const { part } = element.dataset;
    try {
      const about = await channel.call("about", part);
      if (!about) return; // nobody waits for it any more; its text stays
      element.setAttribute("aria-live", "polite");
      const tell = (...values) => channel.call("tell", part, ...values);
      const send = (stream, ...values) => channel.callWith({ stream }, "send", part, ...values);
      const children = fill({ element, about, make, tell, send });
      element.replaceChildren(make("style", {}, css), ...children);
    } catch (error) {
      filled.delete(element);
      console.error(`The kernel does not say what this ${kind} is about:`, error);
    }
  };
  channel.parts = new MutationObserver((changes) => {
    for (const { addedNodes } of changes)
      for (const node of addedNodes) {
        if (!(node instanceof Element)) continue;
        if (node.matches(wanted)) look(node);
        node.querySelectorAll(wanted).forEach(look);
      }
  });
  channel.parts.observe(document.body, { childList: true, subtree: true });
  document.querySelectorAll(wanted).forEach(look);
  channel.expose({ ready: () => true });
}
