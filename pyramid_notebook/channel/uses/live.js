// Sliders, and a picture that the kernel draws for where they stand.
({ element, about, make, tell }) => {
  const image = make("img", { alt: about.label });
  const status = make("span", { role: "status" });
  const inputs = {};
  const rows = about.sliders.map(({ name, low, high, step, value }) => {
    const input = (inputs[name] = make("input", { type: "range", min: low, max: high, step, value }));
    const shown = make("output", {}, String(value));
    input.oninput = () => ((shown.textContent = input.value), draw());
    return make("div", {}, make("label", {}, `${name} `, input), shown);
  });
  let busy = false;
  let again = false;
  const draw = async () => {
    again = true; // what is drawn last is where the sliders stand last; what lies between may be left out
    if (busy) return;
    busy = true;
    try {
      while (again) {
        again = false;
        const values = Object.entries(inputs).map(([name, input]) => [name, input.valueAsNumber]);
        const { type, data } = await tell(Object.fromEntries(values));
        const before = image.src;
        image.src = URL.createObjectURL(new Blob([data], { type }));
        if (before) URL.revokeObjectURL(before);
        status.textContent = "";
      }
    } catch (error) {
      status.textContent = error.message;
    } finally {
      busy = false;
    }
  };
  element.setAttribute("aria-live", "off");
  draw();
  return [...rows, image, status];
}
