/** A network and the n-gram model that it is mixed with, if any: as in charrnn/mixing.py. */

import { softmax } from "./choice.js";
import { networkOf } from "./network.js";
import { NGram, unpacked } from "./ngram.js";

export class Mixture {
  /** `ngram` is null for a network alone; `never` is a symbol without any probability, or null. */
  constructor(network, ngram, never) {
    Object.assign(this, { network, ngram, never });
  }

  /** Start a text. */
  reset() {
    this.network.reset();
    this.ngram?.reset();
  }

  read(id) {
    this.network.read(id);
    this.ngram?.read(id);
  }

  /** Logits of the next symbol, if the share `weight` is by the n-gram model. */
  logits(weight) {
    const { never, network } = this;
    if (never !== null) network.logits[never] = -Infinity;
    if (!weight) return network.logits;
    const ngram = this.ngram.distribution();
    const others = never === null ? 1 : 1 - ngram[never];
    if (never !== null) ngram[never] = 0;
    return softmax(network.logits).map((p, id) =>
      Math.log((1 - weight) * p + (weight * ngram[id]) / others),
    );
  }
}

/** The mixture of a model on the page. */
export async function mixtureOf(model, index) {
  const network = await networkOf(model, index);
  const { tables, points, rare } = model;
  if (tables === null) return new Mixture(network, null, rare);
  const packed = document.getElementById(`ngrams-${index}`).textContent;
  const arrays = await unpacked(packed, tables.arrays);
  return new Mixture(network, new NGram(tables, points.length, arrays), rare);
}
