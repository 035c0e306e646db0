// The page of a user's functions: what OpenAPI says of each, a form to try it, and the same as a curl line.

const { base, notebooks } = document.body.dataset;
const forms = ["json", "html", "png", "svg", "csv", "text", "ipynb"];
// What a result comes as that nobody has chosen a form for.
const ACCEPT = "application/json, image/png;q=0.9, image/svg+xml;q=0.8, text/html;q=0.7, text/plain;q=0.6";
const COLOURS = /\u001b\[[\d;]*m/g;
let made = 0;

function element(name, properties) {
  return Object.assign(document.createElement(name), properties);
}

function input(parameter, schema) {
  const known = schema.enum ?? (schema.type === "boolean" ? [true, false] : null);
  const preset = schema.default === undefined ? "" : schema.default;
  const shown = typeof preset === "string" ? preset : JSON.stringify(preset);
  if (known) {
    const select = element("select", {});
    select.append(new Option(shown && `(${shown})`, ""));
    for (const value of known) select.append(new Option(String(value), String(value)));
    return select;
  }
  if (parameter.style === "form") {
    const lines = Array.isArray(preset) ? preset.map(String).join("\n") : "";
    return element("textarea", { rows: 3, placeholder: lines || "one in each line" });
  }
  return element("input", { placeholder: shown, autocomplete: "off" });
}

function field(parameter) {
  const schema = parameter.schema ?? parameter.content["application/json"].schema;
  const control = input(parameter, schema);
  const id = `field-${(made += 1)}`;
  Object.assign(control, { id, name: parameter.name, required: parameter.required });
  const label = element("label", { htmlFor: id, textContent: parameter.name + (parameter.required ? " *" : "") });
  const parts = [label, control];
  if (parameter.description) {
    control.setAttribute("aria-describedby", `${id}-about`);
    parts.push(element("small", { id: `${id}-about`, textContent: parameter.description }));
  }
  return parts;
}

function address(form, path) {
  const url = new URL(`${base}${path.slice(1)}`, location.href);
  for (const control of form.querySelectorAll(".fields [name]")) {
    const texts = control.localName === "textarea" ? control.value.split("\n") : [control.value];
    for (const text of texts) if (text !== "") url.searchParams.append(control.name, text);
  }
  const wanted = form.elements["-format"].value;
  if (wanted) url.searchParams.append("format", wanted);
  return url.href;
}

function problem(told) {
  const faults = (told.errors ?? []).map((fault) => `${fault.parameter}: ${fault.detail}`);
  const trace = (told.traceback ?? []).join("\n").replaceAll(COLOURS, "");
  return [`${told.status} ${told.title}`, ...(faults.length ? faults : [told.detail ?? told.message]), trace].join("\n");
}

async function show(output, url) {
  output.className = "";
  output.textContent = "…";
  const answer = await fetch(url, { headers: { Accept: ACCEPT } });
  const type = answer.headers.get("Content-Type") ?? "";
  output.classList.toggle("failed", !answer.ok);
  if (answer.ok && type.startsWith("image/")) {
    const source = URL.createObjectURL(await answer.blob()); // as an image it runs no script
    output.replaceChildren(element("img", { src: source, alt: "The result, a figure" }));
    return;
  }
  const text = await answer.text();
  const isJson = type.includes("json");
  const told = isJson ? JSON.parse(text) : null;
  if (type === "application/problem+json") output.textContent = problem(told);
  else if (!answer.ok) output.textContent = `${answer.status} ${told?.message ?? text}`;
  else output.textContent = isJson ? JSON.stringify(told, null, 2) : text || "(nothing)";
}

function description(about) {
  const [first, ...rest] = about.description.trim().split("\n");
  const isTitle = first.replace(/^#+\s*/, "").replace(/\s*#*$/, "") === about.summary;
  return (isTitle ? rest.join("\n") : about.description).trim();
}

function article(path, about, ours) {
  const part = document.getElementById("function").content.cloneNode(true);
  const find = (selector) => part.querySelector(selector);
  const [form, curl, alone, output, button] = ["form", ".curl", ".alone", "output", "button"].map(find);
  const below = path.replace("/restified/", "");
  const id = `function-${(made += 1)}`;
  find("article").setAttribute("aria-labelledby", id);
  Object.assign(find("h2"), { id, textContent: about.summary });
  Object.assign(find(".path a"), { textContent: decodeURIComponent(below), href: `${notebooks}${below}` });
  find(".about").textContent = description(about);
  for (const parameter of about.parameters) {
    if (!ours.has(parameter.name)) find(".fields").append(...field(parameter));
  }
  for (const wanted of ["", ...forms]) form.elements["-format"].append(new Option(wanted || "what fits", wanted));
  curl.setAttribute("aria-label", "The same with curl");
  const renew = () => {
    alone.href = address(form, path);
    curl.textContent = `curl -H @$HOME/.notebook-header '${alone.href.replaceAll("'", "%27")}'`;
  };
  form.addEventListener("input", renew);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await show(output, address(form, path));
    } catch (error) {
      output.className = "failed";
      output.textContent = `The call did not come through: ${error.message}`;
    } finally {
      button.disabled = false;
    }
  });
  renew();
  return part;
}

async function list(main) {
  const answer = await fetch(`${base}restified/-/openapi.json`);
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  const paths = Object.entries((await answer.json()).paths);
  document.getElementById("empty").hidden = paths.length > 0;
  // the query of a POST holds what is not the notebook's
  const ours = (item) => new Set(item.post.parameters.map((parameter) => parameter.name));
  main.append(...paths.map(([path, item]) => article(path, item.get, ours(item))));
}

const main = document.getElementById("functions");
try {
  await list(main);
} catch (error) {
  Object.assign(document.getElementById("failed"), { hidden: false, textContent: `The list did not come: ${error.message}` });
}
main.removeAttribute("aria-busy");
