"""A page, one HTML file, that shows what models learned and lets anyone play with them.

content.py     what is on a page, as dataclasses; their JSON is what the script reads
gather.py      models and a text -> content -> a page
facts.py       what is known of a model without running it
live.py        the model itself, for the script: weights and tables of n-grams
texts.py       the text to look into, with its surprisal; samples
search.py      which hidden units respond to what in a text
page.py        content -> HTML

The page itself: template.html, style.css and the script, whose files are ES modules that
:mod:`~charrnn.report.page` joins into one:

dom.js         elements, and saving a chart as SVG
network.js     float16 weights -> the forward passes of the three cells
choice.js      temperature, top-k, top-p; drawing a symbol
ngram.js       the tables of an n-gram model -> probabilities
mixture.js     a network and n-grams together
chart.js       lines and bars
text.js        a text of coloured characters
learning.js    the sections of the page, in order
samples.js
surprise.js
units.js
play.js
main.js        starts them
"""

from charrnn.report.content import Milestone
from charrnn.report.gather import progress_report, report, text_page

__all__ = ["Milestone", "progress_report", "report", "text_page"]
