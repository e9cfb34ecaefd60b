/** Elements of the page. Names and texts become text nodes and attributes, never markup. */

const NAMESPACE = "http://www.w3.org/2000/svg";

/** An HTML element. An attribute that is a function listens to the event of its name. */
export const element = (tag, attributes = {}, ...children) =>
  build(document.createElement(tag), attributes, children);

/** An SVG element, likewise. */
export const shape = (tag, attributes = {}, ...children) =>
  build(document.createElementNS(NAMESPACE, tag), attributes, children);

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== false) node.setAttribute(name, value);
  }
  node.append(...children.flat());
  return node;
}

/** A control with its name above it. */
export const labelled = (name, ...controls) => element("label", {}, element("span", {}, name), ...controls);

/** A list to choose from; `choices` are pairs of a value and what is shown. */
export function choice(choices, change) {
  const options = choices.map(([value, shown]) => element("option", { value }, shown));
  return element("select", { change }, options);
}

export const count = (number) => number.toLocaleString("en");

export const percent = (p) => `${p >= 0.0995 ? Math.round(100 * p) : (100 * p).toPrecision(2)} %`;

/** A section of the page, with a heading and what explains it. */
export function section(id, title, explanation, ...children) {
  const heading = element("h2", {}, title);
  return element("section", { id }, heading, element("p", { class: "about" }, explanation), ...children);
}

/** What `show` makes for a model; where there are several, below a list to choose one from. */
export function perModel(models, show) {
  const body = element("div", {});
  const select = (index) => body.replaceChildren(show(models[index], index));
  select(0);
  if (models.length === 1) return body;
  const names = models.map((model, index) => [index, model.name]);
  const list = choice(names, (event) => select(Number(event.target.value)));
  return element("div", {}, labelled("model", list), body);
}

const STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity"];
const FONT = ["font-family", "font-size", "font-weight", "text-anchor"];

/** A button that saves a chart as a file, looking as it does now. */
export function saveButton(svg, name) {
  const save = () => {
    const copy = svg.cloneNode(true);
    const nodes = [...svg.querySelectorAll("*")];
    for (const [i, node] of [...copy.querySelectorAll("*")].entries()) {
      const style = getComputedStyle(nodes[i]);
      for (const property of [...STYLES, ...FONT]) {
        node.setAttribute(property, style.getPropertyValue(property));
      }
    }
    const paper = getComputedStyle(document.body).backgroundColor;
    copy.prepend(shape("rect", { width: "100%", height: "100%", fill: paper }));
    copy.setAttribute("xmlns", NAMESPACE);
    const text = new XMLSerializer().serializeToString(copy);
    const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
    element("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  return element("button", { type: "button", class: "save", click: save }, "Save as SVG");
}
