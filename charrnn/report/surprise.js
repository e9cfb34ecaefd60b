/** A text coloured by surprisal, and what the model expected in the place of each character. */

import { barChart, drawBars } from "./chart.js";
import { element, percent, perModel, saveButton, section } from "./dom.js";
import { heat, legend, TextView } from "./text.js";

export function surprise({ models }) {
  const about =
    "The darker a character, the less the model expected it: n bits mean that it gave it a " +
    "probability of 1 in 2 to the power of n. Point at a character, or walk with the arrow keys, to " +
    "see what it would have written instead.";
  const shown = models.filter((model) => model.text);
  return shown.length ? section("surprise", "What surprises it", about, perModel(shown, showText)) : null;
}

function showText(model) {
  const { text } = model;
  const bars = barChart();
  const heading = element("p", { class: "verdict" });
  const view = new TextView(model, "the text, coloured by surprisal", (at) => {
    const [id, bits] = [text.ids[at], text.bits[at]];
    const rows = text.likeliest[at].map((other, rank) => ({ label: model.labels[other], p: text.probs[at][rank], marked: other === id }));
    heading.replaceChildren(element("b", {}, model.labels[id]), ` took ${bits.toFixed(2)} bits: it had a probability of ${percent(2 ** -bits)}`);
    drawBars(bars, rows);
  });
  for (const [i, id] of text.ids.entries()) view.append(id, heat(text.bits[i]));
  if (text.ids.length) view.point(0);
  const colours = Array.from({ length: 9 }, (_, bits) => [`heat${bits}`, bits === 8 ? "8+" : `${bits}`]);
  const caption = element("p", { class: "caption" }, `From ${text.source}: ${text.bits_per_char.toFixed(3)} bits per character. ${text.note}`);
  const panel = element("div", { class: "panel" }, element("div", { "aria-live": "polite" }, heading, bars), saveButton(bars, "expected.svg"));
  return element("div", {}, caption, element("div", { class: "key" }, "bits ", legend(colours)), element("div", { class: "beside" }, view.node, panel));
}
