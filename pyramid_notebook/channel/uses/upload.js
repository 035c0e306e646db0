// A field for a file, which goes to the kernel as it is read.
({ element, about, make, send }) => {
  const label = make("label", {}, `${about.label} `);
  const input = make("input", { type: "file", accept: about.accept });
  const bar = make("progress", { value: 0, "aria-label": "Uploaded" });
  const status = make("span", { role: "status" });
  bar.hidden = true;
  label.append(input);
  input.onchange = async () => {
    const [file] = input.files;
    if (!file) return;
    const counted = async function* () {
      let size = 0;
      const reader = file.stream().getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        yield value;
        bar.value = size += value.length;
      }
    };
    [bar.hidden, bar.max, input.disabled, status.textContent] = [false, file.size || 1, true, `Uploading ${file.name} …`];
    try {
      await send(counted(), file.name, file.type, file.size);
      element.replaceChildren(make("p", {}, `${file.name}: ${file.size.toLocaleString("en")} bytes`));
    } catch (error) {
      [bar.hidden, input.disabled, input.value, status.textContent] = [true, false, "", error.message];
    }
  };
  return [label, bar, status];
}
