/** The n-gram model: the same equations as in charrnn/ngram, for one text, symbol by symbol. */

import { inflated } from "./network.js";

const TYPES = { uint8: Uint8Array, int32: Int32Array };

/** The arrays in base64 of compressed bytes, by name; `arrays` are names, types and lengths. */
export async function unpacked(base64, arrays) {
  const { buffer } = await inflated(base64);
  const found = {};
  let begin = 0;
  for (const [name, type, length] of arrays) {
    const end = begin + length * TYPES[type].BYTES_PER_ELEMENT;
    found[name] = new TYPES[type](buffer.slice(begin, end));
    begin = end;
  }
  return found;
}

/** An n-gram model of the page. What it has read is its context: see charrnn/ngram/model.py. */
export class NGram {
  /** The arrays are those of charrnn/ngram/stored.py. */
  constructor({ order, discounts, end }, V, { symbols, counts, large, children }) {
    Object.assign(this, { order, end, symbols, nowhere: symbols.length });
    this.first = firstChildren(children, this.nowhere);
    /** What a node adds to the probability of its symbol after its parent. */
    this.value = new Float64Array(this.nowhere);
    /** What a node, as a history, leaves to the shorter history. */
    this.rest = new Float64Array(this.nowhere + 1).fill(1);
    this.p = new Float64Array(V);
    const numbers = allCounts(counts, large);
    let [length, next] = [0, 1]; // of this history, and the first one that is longer
    for (let node = 0; node < children.length; node++) {
      if (node === next) [length, next] = [length + 1, this.first[node]];
      this.addHistory(node, numbers, discounts[length]);
    }
    this.reset();
  }

  addHistory(node, numbers, discounts) {
    const [begin, end] = [this.first[node], this.first[node + 1]];
    let [total, left] = [0, 0];
    for (let child = begin; child < end; child++) total += numbers[child];
    if (!total) return;
    for (let child = begin; child < end; child++) {
      const discount = discounts[Math.min(numbers[child], 3)];
      this.value[child] = (numbers[child] - discount) / total;
      left += discount;
    }
    this.rest[node] = left / total;
  }

  /** Nothing was read. */
  reset() {
    this.context = [0, ...Array(this.order - 1).fill(this.nowhere)];
  }

  /** Read a symbol. What comes before the end of a record says nothing about the next one. */
  read(id) {
    const longest = id === this.end ? 1 : this.order - 1;
    this.context = this.context.map((_, length) => {
      if (length === 0) return 0;
      return length > longest ? this.nowhere : this.child(this.context[length - 1], id);
    });
  }

  /** The n-gram that extends another by a symbol. */
  child(node, id) {
    let [low, high] = [this.first[node], this.first[node + 1]];
    const end = high;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.symbols[middle] < id) low = middle + 1;
      else high = middle;
    }
    return low < end && this.symbols[low] === id ? low : this.nowhere;
  }

  /** The probabilities of the next symbol. */
  distribution() {
    const { p, first, rest, symbols, value } = this;
    p.fill(1 / p.length);
    for (const node of this.context) {
      for (let id = 0; id < p.length; id++) p[id] *= rest[node];
      for (let child = first[node]; child < first[node + 1]; child++) {
        p[symbols[child]] += value[child];
      }
    }
    return p;
  }
}

/** The first child of each node, and after the last node, of none. */
function firstChildren(children, nowhere) {
  const first = new Uint32Array(nowhere + 2);
  first[0] = 1;
  for (let node = 0; node <= nowhere; node++) first[node + 1] = first[node] + (children[node] ?? 0);
  return first;
}

/** The counts, with the large ones, which did not fit into a byte, in their places. */
function allCounts(counts, large) {
  const numbers = Int32Array.from(counts);
  let next = 0;
  for (let node = 0; node < numbers.length; node++) {
    if (numbers[node] === 255) numbers[node] = large[next++];
  }
  return numbers;
}
