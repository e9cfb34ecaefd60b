/** Fills the page. */

import { element } from "./dom.js";
import { learning } from "./learning.js";
import { play } from "./play.js";
import { samples } from "./samples.js";
import { surprise } from "./surprise.js";
import { units } from "./units.js";

const content = JSON.parse(document.getElementById("content").textContent);
const summaries = content.models.map(({ name, summary }) =>
  element("p", content.models.length > 1 ? element("b", `${name}. `) : "", summary),
);
const sections = [learning, samples, surprise, units, play]
  .map((build) => build(content))
  .filter(Boolean);
const links = sections.map((one) =>
  element("a", { href: `#${one.id}` }, one.querySelector("h2").textContent),
);
document.getElementById("summaries").append(...summaries);
document.querySelector("main").replaceChildren(...sections);
const nav = document.querySelector("nav");
if (links.length > 1) nav.append(...links);
else nav.remove();
// Nearly all of the file is script and data, which are ASCII.
const parts = [document.querySelector("style"), ...document.scripts];
const bytes = parts.map((part) => part.textContent.length).reduce((a, b) => a + b);
document
  .querySelector("footer")
  .append(`Made by charrnn ${content.version}; one file of ${(bytes / 1e6).toFixed(1)} MB.`);
