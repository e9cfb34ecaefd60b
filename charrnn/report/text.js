/** A text whose characters can be coloured, pointed at, and walked through with arrow keys. */

import { element } from "./dom.js";

/** What is shown for a symbol in a running text: a space is a space, a newline also ends the line. */
function glyph(model, id) {
  const point = model.points[id];
  if (point === 10) return "\u21b5\n";
  return point === 32 ? " " : model.labels[id];
}

export class TextView {
  constructor(model, label, select) {
    Object.assign(this, { model, select, spans: [], at: null });
    this.node = element("div", { class: "text", tabindex: "0", role: "group", "aria-label": label });
    const point = (event) => {
      const index = this.spans.indexOf(event.target);
      if (index >= 0) this.point(index);
    };
    this.node.addEventListener("pointerover", point);
    this.node.addEventListener("click", point);
    this.node.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -20, ArrowDown: 20 }[event.key];
      if (!move || !this.spans.length) return;
      event.preventDefault();
      this.point(Math.max(0, Math.min(this.spans.length - 1, (this.at ?? -move) + move)), true);
    });
  }

  clear() {
    this.spans = [];
    this.at = null;
    this.node.replaceChildren();
  }

  append(id, className = "") {
    const span = element("span", { class: className }, glyph(this.model, id));
    this.spans.push(span);
    this.node.append(span);
  }

  paint(classNames) {
    for (const [i, span] of this.spans.entries()) span.className = classNames[i];
    if (this.at !== null) this.spans[this.at].classList.add("selected");
  }

  point(index, scroll = false) {
    if (this.at !== null) this.spans[this.at].classList.remove("selected");
    this.at = index;
    this.spans[index].classList.add("selected");
    if (scroll) this.spans[index].scrollIntoView({ block: "nearest" });
    this.select(index);
  }
}

/** The class of a surprisal in bits. */
export const heat = (bits) => `heat${Math.min(8, Math.floor(bits))}`;

/** The class of a value from -1 to 1. */
export const warmth = (value) => {
  const level = Math.round(4 * Math.max(-1, Math.min(1, value)));
  return level ? `${level > 0 ? "warm" : "cold"}${Math.abs(level)}` : "";
};

/** What the colours mean: pairs of a class and a name. */
export const legend = (colours) =>
  element("ul", { class: "scale", "aria-hidden": "true" }, colours.map(([name, shown]) => element("li", { class: name }, shown)));
