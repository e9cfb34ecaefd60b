/** A text whose characters can be coloured, pointed at, and walked through with arrow keys. */

import { element } from "./dom.js";

/** What is shown for a symbol in a running text: a space is a space, a newline also ends the line. */
function glyph(model, id) {
  const point = model.points[id];
  if (point === 10 || (model.records && id === model.start)) return `${model.labels[id]}\n`;
  return point === 32 ? " " : model.labels[id];
}

export class TextView {
  /** `select(index)` is called when a character is pointed at. */
  constructor(model, label, select) {
    Object.assign(this, { model, select, spans: [], at: null });
    const point = (event) => {
      const index = this.spans.indexOf(event.target);
      if (index >= 0) this.point(index);
    };
    const walk = (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -20, ArrowDown: 20 }[event.key];
      if (!move || !this.spans.length) return;
      event.preventDefault();
      this.point(Math.max(0, Math.min(this.spans.length - 1, (this.at ?? -move) + move)));
      this.spans[this.at].scrollIntoView({ block: "nearest" });
    };
    const events = { pointerover: point, click: point, keydown: walk };
    this.node = element("div.text", { tabindex: 0, role: "group", "aria-label": label, ...events });
  }

  clear() {
    Object.assign(this, { spans: [], at: null });
    this.node.replaceChildren();
  }

  append(id, kind = "") {
    const span = element(`span.${kind}`, glyph(this.model, id));
    this.spans.push(span);
    this.node.append(span);
  }

  paint(kinds) {
    for (const [i, span] of this.spans.entries()) span.className = kinds[i];
    this.spans[this.at]?.classList.add("selected");
  }

  point(index) {
    this.spans[this.at]?.classList.remove("selected");
    this.at = index;
    this.spans[index].classList.add("selected");
    this.select(index);
  }
}

/** The class of a surprisal in bits. */
export const heat = (bits) => `heat${Math.min(8, Math.floor(bits))}`;

/** The class of a value from -1 to 1. */
export function warmth(value) {
  const level = Math.round(4 * Math.max(-1, Math.min(1, value)));
  return `${level < 0 ? "cold" : "warm"}${Math.abs(level)}`;
}

/** What the colours mean: pairs of a class and what to write on it. */
export const colourKey = (name, colours) =>
  element(
    "div.key",
    { "aria-hidden": "true" },
    name,
    element(
      "ul.scale",
      colours.map(([kind, shown]) => element(`li.${kind}`, shown)),
    ),
  );
