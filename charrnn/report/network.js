/**
 * The network: the same equations as in charrnn/nn/cells, one step at a time.
 *
 * Weights are float16 on the page; sums are computed in double precision.
 */

export const bytesOf = (base64) => Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));

/** The bytes in base64 of compressed bytes. */
export async function inflated(base64) {
  const inflate = new DecompressionStream("deflate");
  const stream = new Blob([bytesOf(base64)]).stream().pipeThrough(inflate);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The values of float16 numbers: of all the low bytes, then the high bytes. */
export function halves(bytes) {
  const table = Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
  });
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0, high = values.length; i < values.length; i++, high++) {
    values[i] = table[bytes[i] | (bytes[high] << 8)];
  }
  return values;
}

/** out += x W, for a vector x and a matrix W of `out.length` columns, row by row. */
function addProduct(out, x, W) {
  const columns = out.length;
  for (let k = 0, at = 0; k < x.length; k++, at += columns) {
    const factor = x[k];
    for (let j = 0; j < columns; j++) out[j] += factor * W[at + j];
  }
}

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

/** One step of each cell: `a` is x W_x + b and `u` is h W_h; `s` has the state and the gates. */
const CELLS = {
  rnn: {
    gates: "",
    columns: 1,
    step(s, a, u) {
      for (let j = 0; j < s.h.length; j++) s.h[j] = Math.tanh(a[j] + u[j]);
    },
  },
  lstm: {
    gates: "ifog",
    columns: 4,
    step(s, a, u) {
      const H = s.h.length;
      for (let j = 0; j < H; j++) {
        s.i[j] = sigmoid(a[j] + u[j]);
        s.f[j] = sigmoid(a[H + j] + u[H + j]);
        s.o[j] = sigmoid(a[2 * H + j] + u[2 * H + j]);
        s.g[j] = Math.tanh(a[3 * H + j] + u[3 * H + j]);
        s.c[j] = s.f[j] * s.c[j] + s.i[j] * s.g[j];
        s.h[j] = s.o[j] * Math.tanh(s.c[j]);
      }
    },
  },
  gru: {
    gates: "rzn",
    columns: 3,
    step(s, a, u, weights) {
      const H = s.h.length;
      for (let j = 0; j < H; j++) {
        s.r[j] = sigmoid(a[j] + u[j]);
        s.z[j] = sigmoid(a[H + j] + u[H + j]);
        s.n[j] = Math.tanh(a[2 * H + j] + s.r[j] * (u[2 * H + j] + weights.b_n[j]));
        s.h[j] = s.n[j] + s.z[j] * (s.h[j] - s.n[j]);
      }
    },
  },
};

/** A model of the page with its weights. It has a state, which `read` moves on. */
export class Network {
  constructor(model, flat) {
    Object.assign(this, { model, cell: CELLS[model.cell], layers: [], output: {} });
    for (const _ of Array(model.num_layers)) this.layers.push({});
    let start = 0;
    for (const [name, shape] of model.shapes) {
      const end = start + shape.reduce((product, size) => product * size, 1);
      const [, layer, key] = name.match(/^(?:layers\.(\d+)|output)\.(\w+)$/);
      (layer ? this.layers[layer] : this.output)[key] = flat.subarray(start, end);
      start = end;
    }
    this.a = new Float64Array(this.cell.columns * model.hidden_size);
    this.u = new Float64Array(this.a.length);
    this.logits = new Float64Array(model.points.length);
    this.reset();
  }

  /** Start from the zero state. */
  reset() {
    const zeros = () => new Float64Array(this.model.hidden_size);
    const names = ["h", "c", ...this.cell.gates];
    this.states = this.layers.map(() => Object.fromEntries(names.map((name) => [name, zeros()])));
  }

  /** Read a symbol; `logits` are then those of the symbol after it. */
  read(id) {
    const { model, a, u, logits, output } = this;
    // Each record starts from the zero state.
    if (model.records && id === model.start) this.reset();
    let below = null;
    for (const [layer, weights] of this.layers.entries()) {
      const state = this.states[layer];
      a.set(weights.b);
      if (below) addProduct(a, below, weights.W_x);
      else for (let j = 0, at = id * a.length; j < a.length; j++) a[j] += weights.W_x[at + j];
      addProduct(u.fill(0), state.h, weights.W_h);
      this.cell.step(state, a, u, weights);
      below = state.h;
    }
    logits.set(output.b);
    addProduct(logits, below, output.W);
    return logits;
  }
}

/** The network of a model on the page, made when it is first wanted. */
export async function networkOf(model, index) {
  const weights = document.getElementById(`weights-${index}`).textContent;
  return new Network(model, halves(await inflated(weights)));
}
