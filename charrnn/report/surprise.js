/** A text coloured by surprisal, and what the model expected in the place of each character. */

import { barChart, drawBars } from "./chart.js";
import { element, percent, perModel, saveButton, section, spoken } from "./dom.js";
import { heat, heatKey, nounOf, TextView } from "./text.js";

export function surprise({ models }) {
  const about =
    `The stronger the colour of a ${nounOf(models[0])}, the less the model expected it: n bits mean a ` +
    `probability of 1 in 2 to the power of n. Point at a ${nounOf(models[0])}, or move with the arrow ` +
    "keys, to see what the model expected instead.";
  const shown = models.filter((model) => model.text);
  return shown.length
    ? section("surprise", "What surprises it", about, perModel(shown, showText))
    : null;
}

function showText(model) {
  const { labels, text } = model;
  const bars = barChart();
  const verdict = element("p.verdict");
  const view = new TextView(model, "the text, coloured by surprisal", (at) => {
    const [id, bits] = [text.ids[at], text.bits[at]];
    const rank = text.likeliest[at].indexOf(id);
    const p = rank < 0 ? 2 ** -bits : text.probs[at][rank];
    const said = ` took ${bits.toFixed(2)} bits: it had a probability of ${percent(p)}`;
    verdict.replaceChildren(element("b", labels[id]), said);
    drawBars(
      bars,
      text.likeliest[at].map((other, rank) => ({
        label: labels[other],
        p: text.probs[at][rank],
        marked: other === id,
      })),
    );
    return `${spoken(labels[id])}${said}; ${bars.getAttribute("aria-label")}`;
  });
  for (const [i, id] of text.ids.entries()) view.append(id, heat(model, text.bits[i]));
  view.publish();
  view.point(0);
  const caption = `From ${text.source}: ${text.bits_per_char.toFixed(3)} bits per ${nounOf(model)}. ${text.note}`;
  const panel = element("div.panel", verdict, bars, saveButton(bars, "expected.svg"));
  return element(
    "div",
    element("p.caption", caption),
    heatKey(model),
    element("div.beside", view.node, panel),
  );
}
