/** Elements of the page. Names and texts become text nodes and attributes, never markup. */

const NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * An HTML element: `element("td.number", { title: "r" }, "0.5")`.
 *
 * After the tag and its class come attributes, which may be missing, and children. An attribute
 * that is a function listens to the event of its name.
 */
export const element = (tag, ...rest) => {
  const [name, className] = tag.split(".");
  return build(document.createElement(name), className, rest);
};

/** An SVG element, likewise. */
export const shape = (tag, ...rest) => {
  const [name, className] = tag.split(".");
  return build(document.createElementNS(NAMESPACE, name), className, rest);
};

function build(node, className, rest) {
  const plain = Object.getPrototypeOf(rest[0] ?? "") === Object.prototype;
  const attributes = plain ? rest.shift() : {};
  if (className) node.setAttribute("class", className);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...rest.flat(Infinity));
  return node;
}

export const button = (name, click, kind = "") =>
  element(`button.${kind}`, { type: "button", click }, name);

/** A control with its name above it. */
export const labelled = (name, ...controls) => element("label", element("span", name), controls);

/** A list to choose from; `choices` are pairs of a value and what is shown. */
export function choice(choices, chosen) {
  const options = choices.map(([value, shown]) => element("option", { value }, shown));
  return element("select", { change: (event) => chosen(event.target.value) }, options);
}

/** A table; each row begins with its name. */
export function table(heads, rows, className = "") {
  const head = element(
    "tr",
    heads.map((name) => element("th", { scope: "col" }, name)),
  );
  const body = rows.map(({ name, cells, kind = "" }) =>
    element(
      `tr.${kind}`,
      element("th", { scope: "row" }, name),
      cells.map((cell) => element("td", cell)),
    ),
  );
  return element(
    "div.wide",
    element(`table.${className}`, element("thead", head), element("tbody", body)),
  );
}

/** A text in a box, under a heading of a level, in two parts. */
export const card = (level, title, details, text) =>
  element("article", element(level, title, element("small", ` ${details}`)), element("pre", text));

/** How a screen reader says the label of a symbol. */
export const spoken = (label) =>
  ({ "\u2423": "space", "\u21b5": "newline", "\u21e5": "tab" })[label] ?? label;

export const percent = (p) =>
  `${p >= 0.0995 ? Math.round(100 * p) : (100 * p).toPrecision(2)}\u00a0%`;

/** A section of the page, with a heading and what explains it. */
export const section = (id, title, explanation, ...children) =>
  element("section", { id }, element("h2", title), element("p.about", explanation), children);

/** What `show` makes for a model; where there are several, below a list to choose one from. */
export function perModel(models, show) {
  const body = element("div");
  const select = (index) => body.replaceChildren(show(models[index], Number(index)));
  select(0);
  if (models.length === 1) return body;
  const names = models.map((model, index) => [index, model.name]);
  return element("div", labelled("model", choice(names, select)), body);
}

const SAVED = [
  ...["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity"],
  ...["font-family", "font-size", "font-weight", "text-anchor", "paint-order"],
];

/** A button that saves a chart as a file, looking as it does now. */
export function saveButton(svg, name) {
  const save = () => {
    const copy = svg.cloneNode(true);
    const shown = svg.querySelectorAll("*");
    for (const [i, node] of copy.querySelectorAll("*").entries()) {
      const style = getComputedStyle(shown[i]);
      for (const property of SAVED) node.setAttribute(property, style.getPropertyValue(property));
    }
    const paper = getComputedStyle(document.body).backgroundColor;
    copy.prepend(shape("rect", { width: "100%", height: "100%", fill: paper }));
    const text = new XMLSerializer().serializeToString(copy);
    const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  const saving = button("Save as SVG", save, "save");
  saving.setAttribute("aria-label", `Save as SVG: ${name}`);
  return saving;
}
