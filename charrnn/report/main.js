/** Fills the page. */

import { element } from "./dom.js";
import { learning } from "./learning.js";
import { play } from "./play.js";
import { samples } from "./samples.js";
import { surprise } from "./surprise.js";
import { units } from "./units.js";

const content = JSON.parse(document.getElementById("content").textContent);
const summaries = content.models.map(({ name, summary }) =>
  element("p", {}, content.models.length > 1 ? element("b", {}, `${name}. `) : "", summary),
);
document.getElementById("summaries").append(...summaries);
const sections = [learning, samples, surprise, units, play].map((build) => build(content)).filter(Boolean);
document.querySelector("main").replaceChildren(...sections);
const links = sections.map((section) => element("a", { href: `#${section.id}` }, section.querySelector("h2").textContent));
document.querySelector("nav").append(...links);
document.querySelector("footer").append(`Made by charrnn ${content.version}.`);
