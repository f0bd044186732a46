// The arithmetic of each kind of row, in double precision: albert_np/ops.py once more, and NumPy's glue.
//
// `KERNELS[kind](inputs, shapes, attrs, outShapes)` gives the arrays that the row puts out. `inputs` are arrays or null,
// `shapes` their shapes. Names of arguments are those of ops.py.
import { broadcastArray, broadcastStrides, countOf, frontAxes, placesOf, reducedStrides, stridesOf, windowOf } from "./arrays.js";

// Products of matrices. `y` is added to; the last three arguments say where each matrix starts in its array.

/** y (rows, columns) += a (rows, inner) · b (columns, inner)ᵀ, in tiles of four rows and two columns.
 *
 * At the edges a tile has rows or columns twice, which then are written twice, with the same numbers.
 */
function addTimesTransposed(y, a, b, rows, inner, columns, yAt = 0, aAt = 0, bAt = 0) {
  if (rows === 1) return addRowTimesTransposed(y, a, b, inner, columns, yAt, aAt, bAt);
  for (let r = 0; r < rows; r += 4) {
    const r1 = Math.min(r + 1, rows - 1);
    const r2 = Math.min(r + 2, rows - 1);
    const r3 = Math.min(r + 3, rows - 1);
    const a0 = aAt + r * inner;
    const a1 = aAt + r1 * inner;
    const a2 = aAt + r2 * inner;
    const a3 = aAt + r3 * inner;
    for (let c = 0; c < columns; c += 2) {
      const c1 = Math.min(c + 1, columns - 1);
      const b0 = bAt + c * inner;
      const b1 = bAt + c1 * inner;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0; // of the first column
      let t0 = 0, t1 = 0, t2 = 0, t3 = 0; // of the second
      for (let k = 0; k < inner; k++) {
        const g0 = b[b0 + k];
        const g1 = b[b1 + k];
        const f0 = a[a0 + k];
        const f1 = a[a1 + k];
        const f2 = a[a2 + k];
        const f3 = a[a3 + k];
        s0 += f0 * g0;
        s1 += f1 * g0;
        s2 += f2 * g0;
        s3 += f3 * g0;
        t0 += f0 * g1;
        t1 += f1 * g1;
        t2 += f2 * g1;
        t3 += f3 * g1;
      }
      const left = yAt + c;
      const right = yAt + c1;
      s0 += y[left + r * columns]; // all read before any is written
      s1 += y[left + r1 * columns];
      s2 += y[left + r2 * columns];
      s3 += y[left + r3 * columns];
      t0 += y[right + r * columns];
      t1 += y[right + r1 * columns];
      t2 += y[right + r2 * columns];
      t3 += y[right + r3 * columns];
      y[left + r * columns] = s0;
      y[left + r1 * columns] = s1;
      y[left + r2 * columns] = s2;
      y[left + r3 * columns] = s3;
      y[right + r * columns] = t0;
      y[right + r1 * columns] = t1;
      y[right + r2 * columns] = t2;
      y[right + r3 * columns] = t3;
    }
  }
}

function addRowTimesTransposed(y, a, b, inner, columns, yAt, aAt, bAt) {
  for (let c = 0; c < columns; c++) {
    const b0 = bAt + c * inner;
    let [even, odd] = [y[yAt + c], 0];
    for (let k = 0; k + 1 < inner; k += 2) {
      even += a[aAt + k] * b[b0 + k];
      odd += a[aAt + k + 1] * b[b0 + k + 1];
    }
    if (inner % 2) even += a[aAt + inner - 1] * b[b0 + inner - 1];
    y[yAt + c] = even + odd;
  }
}

/** y (rows, columns) += a · b (inner, columns), where a[r, k] lies at r·aRow + k·aColumn: a (rows, inner) or,
 * turned over, (inner, rows). Two rows of y share a pass over four of b.
 */
function addTimes(y, a, b, rows, inner, columns, aRow, aColumn, yAt = 0, aAt = 0, bAt = 0) {
  for (let r = 0; r < rows; r += 2) {
    const y0 = yAt + r * columns;
    const second = r + 1 < rows;
    const y1 = second ? y0 + columns : y0;
    let from = aAt + r * aRow;
    let k = 0;
    for (; second && k + 4 <= inner; k += 4, from += 4 * aColumn) {
      const f0 = a[from];
      const f1 = a[from + aColumn];
      const f2 = a[from + 2 * aColumn];
      const f3 = a[from + 3 * aColumn];
      const g0 = a[from + aRow];
      const g1 = a[from + aRow + aColumn];
      const g2 = a[from + aRow + 2 * aColumn];
      const g3 = a[from + aRow + 3 * aColumn];
      const b0 = bAt + k * columns;
      const b1 = b0 + columns;
      const b2 = b1 + columns;
      const b3 = b2 + columns;
      for (let c = 0; c < columns; c++) {
        const x0 = b[b0 + c];
        const x1 = b[b1 + c];
        const x2 = b[b2 + c];
        const x3 = b[b3 + c];
        y[y0 + c] += f0 * x0 + f1 * x1 + f2 * x2 + f3 * x3;
        y[y1 + c] += g0 * x0 + g1 * x1 + g2 * x2 + g3 * x3;
      }
    }
    for (; k < inner; k++, from += aColumn) {
      const f = a[from];
      const b0 = bAt + k * columns;
      for (let c = 0; c < columns; c++) y[y0 + c] += f * b[b0 + c];
      if (!second) continue;
      const g = a[from + aRow];
      for (let c = 0; c < columns; c++) y[y1 + c] += g * b[b0 + c];
    }
  }
}

/** Sum of (rows, columns) over the rows. */
function sumRows(x, columns) {
  const y = new Float64Array(columns);
  for (let from = 0; from < x.length; from += columns) for (let c = 0; c < columns; c++) y[c] += x[from + c];
  return y;
}

function mapArray(f, ...arrays) {
  const y = new Float64Array(arrays[0].length);
  const [a, b] = arrays;
  if (b) for (let i = 0; i < y.length; i++) y[i] = f(a[i], b[i]);
  else for (let i = 0; i < y.length; i++) y[i] = f(a[i]);
  return y;
}

// The normal distribution, and activations: value and slope.

/** The error function, to a few units of the last place. */
export function erf(x) {
  const size = Math.abs(x);
  if (!(size < 6)) return x === x ? Math.sign(x) : NaN; // erf rounds to ±1 from here on
  const density = (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x);
  if (size < 3) {
    // 2/√π e^(-x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!, all terms of one sign
    let [term, sum] = [size, size];
    for (let n = 1; term > 1e-17 * sum; n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return Math.sign(x) * density * sum;
  }
  // erfc(x) = e^(-x²)/√π · 1/(x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …))))
  let tail = size;
  for (let n = 40; n > 0; n--) tail = size + n / 2 / tail;
  return Math.sign(x) * (1 - density / 2 / tail);
}

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

export function normalCdf(x) {
  return 0.5 * (1 + erf(x / Math.SQRT2));
}

export function normalDensity(x) {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

export function geluTanh(x) {
  return Math.tanh(GELU_SCALE * x * (1 + GELU_CUBIC * x * x));
}

export function sigmoid(x) {
  return 0.5 * (1 + Math.tanh(0.5 * x));
}

const GELU_NEW = {
  value: (x) => 0.5 * x * (1 + geluTanh(x)),
  slope: (x) => {
    const t = geluTanh(x);
    return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * GELU_SCALE * (1 + 3 * GELU_CUBIC * x * x);
  },
};

const QUICK = 1.702; // fitted: σ(1.702 x) is near to Φ(x)

const SILU = {
  value: (x) => x * sigmoid(x),
  slope: (x) => sigmoid(x) + x * sigmoid(x) * (1 - sigmoid(x)),
};

const GELU = { value: (x) => x * normalCdf(x), slope: (x) => normalCdf(x) + x * normalDensity(x) };

export const ACTIVATIONS = {
  gelu: GELU,
  gelu_python: GELU,
  gelu_new: GELU_NEW,
  gelu_fast: GELU_NEW,
  gelu_pytorch_tanh: GELU_NEW,
  relu: { value: (x) => Math.max(x, 0), slope: (x) => (x > 0 ? 1 : 0) },
  silu: SILU,
  swish: SILU,
  quick_gelu: {
    value: (x) => x * sigmoid(QUICK * x),
    slope: (x) => sigmoid(QUICK * x) * (1 + QUICK * x * (1 - sigmoid(QUICK * x))),
  },
  tanh: { value: Math.tanh, slope: (x) => 1 - Math.tanh(x) ** 2 },
};

/** NumPy's functions of one number or two. */
export const ELEMENTWISE = {
  negative: (a) => -a,
  exp: Math.exp,
  log: Math.log,
  log1p: Math.log1p,
  expm1: Math.expm1,
  sin: Math.sin,
  cos: Math.cos,
  sqrt: Math.sqrt,
  square: (a) => a * a,
  tanh: Math.tanh,
  abs: Math.abs,
  sign: Math.sign,
  erf,
  reciprocal: (a) => 1 / a,
  add: (a, b) => a + b,
  subtract: (a, b) => a - b,
  multiply: (a, b) => a * b,
  divide: (a, b) => a / b,
  power: (a, b) => a ** b,
  maximum: (a, b) => (a !== a || b !== b ? NaN : Math.max(a, b)),
  minimum: (a, b) => (a !== a || b !== b ? NaN : Math.min(a, b)),
  greater: (a, b) => Number(a > b),
  greater_equal: (a, b) => Number(a >= b),
  less: (a, b) => Number(a < b),
  less_equal: (a, b) => Number(a <= b),
};

// The ops of ops.py.

function linear([x, weight, bias], [, [outs, ins]]) {
  const rows = x.length / ins;
  const y = new Float64Array(rows * outs);
  if (bias) for (let r = 0; r < rows; r++) y.set(bias, r * outs);
  addTimesTransposed(y, x, weight, rows, ins, outs);
  return [y];
}

function linearBackward([dy, x, weight], [, , [outs, ins]]) {
  const rows = x.length / ins;
  const dx = new Float64Array(rows * ins);
  const dweight = new Float64Array(outs * ins);
  addTimes(dx, dy, weight, rows, outs, ins, outs, 1);
  addTimes(dweight, dy, x, outs, rows, ins, 1, outs);
  return [dx, dweight, sumRows(dy, outs)];
}

function layerNorm([x, weight, bias], [shape], { eps }) {
  const width = shape.at(-1);
  const [y, xHat] = [new Float64Array(x.length), new Float64Array(x.length)];
  const rstd = new Float64Array(x.length / width);
  for (let r = 0; r < rstd.length; r++) {
    const from = r * width;
    let [mean, variance] = [0, 0];
    for (let h = 0; h < width; h++) mean += x[from + h];
    mean /= width;
    for (let h = 0; h < width; h++) variance += (x[from + h] - mean) ** 2;
    rstd[r] = 1 / Math.sqrt(variance / width + eps);
    for (let h = 0; h < width; h++) {
      xHat[from + h] = (x[from + h] - mean) * rstd[r];
      y[from + h] = weight[h] * xHat[from + h] + bias[h];
    }
  }
  return [y, xHat, rstd];
}

function layerNormBackward([dy, xHat, rstd, weight]) {
  const width = weight.length;
  const [dx, dweight, dbias] = [new Float64Array(dy.length), new Float64Array(width), new Float64Array(width)];
  for (let r = 0; r < rstd.length; r++) {
    const from = r * width;
    let [mean, projection] = [0, 0];
    for (let h = 0; h < width; h++) {
      const dxHat = dy[from + h] * weight[h];
      mean += dxHat;
      projection += dxHat * xHat[from + h];
      dweight[h] += dy[from + h] * xHat[from + h];
      dbias[h] += dy[from + h];
    }
    mean /= width;
    projection /= width;
    for (let h = 0; h < width; h++) {
      dx[from + h] = rstd[r] * (dy[from + h] * weight[h] - mean - xHat[from + h] * projection);
    }
  }
  return [dx, dweight, dbias];
}

function embedding([ids, weight], [, [rows, width]]) {
  const y = new Float64Array(ids.length * width);
  for (let i = 0; i < ids.length; i++) {
    const from = (ids[i] < 0 ? ids[i] + rows : ids[i]) * width;
    y.set(weight.subarray(from, from + width), i * width);
  }
  return [y];
}

function embeddingBackward([dy, ids], shapes, { padding_idx: padding }, [[rows, width]]) {
  const dweight = new Float64Array(rows * width);
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] === padding) continue;
    const to = (ids[i] < 0 ? ids[i] + rows : ids[i]) * width;
    for (let e = 0; e < width; e++) dweight[to + e] += dy[i * width + e];
  }
  return [dweight];
}

/** probs of one row of `x`, written into `probs`; returns the largest of the row and the total that it was divided by. */
function softmaxRow(x, probs, from, width) {
  let [largest, total] = [-Infinity, 0];
  for (let c = 0; c < width; c++) largest = Math.max(largest, x[from + c]);
  for (let c = 0; c < width; c++) total += probs[from + c] = Math.exp(x[from + c] - largest);
  for (let c = 0; c < width; c++) probs[from + c] /= total;
  return [largest, total];
}

function softmax([x], [shape]) {
  const width = shape.at(-1);
  const probs = new Float64Array(x.length);
  for (let from = 0; from < x.length; from += width) softmaxRow(x, probs, from, width);
  return [probs];
}

function softmaxBackward([dprobs, probs], [shape]) {
  const width = shape.at(-1);
  const dx = new Float64Array(probs.length);
  for (let from = 0; from < probs.length; from += width) {
    let sum = 0;
    for (let c = 0; c < width; c++) sum += dprobs[from + c] * probs[from + c];
    for (let c = 0; c < width; c++) dx[from + c] = probs[from + c] * (dprobs[from + c] - sum);
  }
  return [dx];
}

/** The sizes of attention's products, of shapes (…, T, any) and (…, S, D): how many of them, T, S and D. */
function attentionSizes(ofQueries, ofKeys) {
  return { T: ofQueries.at(-2), S: ofKeys.at(-2), D: ofKeys.at(-1), leading: countOf(ofQueries.slice(0, -2)) };
}

function scores([query, key, mask], [queryShape, keyShape, maskShape], attrs, [outShape]) {
  const { T, S, D, leading } = attentionSizes(queryShape, keyShape);
  const y = new Float64Array(leading * T * S);
  const scaled = mapArray((q) => q * D ** -0.5, query);
  for (let n = 0; n < leading; n++) addTimesTransposed(y, scaled, key, T, D, S, n * T * S, n * T * D, n * S * D);
  return [mask ? mapArray((s, m) => s + m, y, broadcastArray(mask, maskShape, outShape)) : y];
}

function scoresBackward([dscores, query, key], [, queryShape, keyShape]) {
  const { T, S, D, leading } = attentionSizes(queryShape, keyShape);
  const [dquery, dkey] = [new Float64Array(query.length), new Float64Array(key.length)];
  const scaled = mapArray((d) => d * D ** -0.5, dscores);
  for (let n = 0; n < leading; n++) {
    addTimes(dquery, scaled, key, T, S, D, S, 1, n * T * D, n * T * S, n * S * D);
    addTimes(dkey, scaled, query, S, T, D, 1, S, n * S * D, n * T * S, n * T * D);
  }
  return [dquery, dkey];
}

function context([dropped, value], [droppedShape, valueShape]) {
  const { T, S, D, leading } = attentionSizes(droppedShape, valueShape);
  const y = new Float64Array(leading * T * D);
  for (let n = 0; n < leading; n++) addTimes(y, dropped, value, T, S, D, S, 1, n * T * D, n * T * S, n * S * D);
  return [y];
}

function contextBackward([dcontext, dropped, value], [, droppedShape, valueShape]) {
  const { T, S, D, leading } = attentionSizes(droppedShape, valueShape);
  const [ddropped, dvalue] = [new Float64Array(dropped.length), new Float64Array(value.length)];
  for (let n = 0; n < leading; n++) {
    addTimesTransposed(ddropped, dcontext, value, T, D, S, n * T * S, n * T * D, n * S * D);
    addTimes(dvalue, dropped, dcontext, S, T, D, 1, S, n * S * D, n * T * S, n * T * D);
  }
  return [ddropped, dvalue];
}

function crossEntropy([logits, labels], [[, width]], { ignore_index: ignored, denominator }) {
  const probs = new Float64Array(logits.length);
  let loss = 0;
  for (let r = 0; r < labels.length; r++) {
    const [largest, total] = softmaxRow(logits, probs, r * width, width);
    if (labels[r] !== ignored) loss -= logits[r * width + labels[r]] - largest - Math.log(total);
  }
  return [Float64Array.of(loss / denominator), probs];
}

function crossEntropyBackward([probs, labels], [[, width]], { ignore_index: ignored, denominator, dloss }) {
  const dlogits = new Float64Array(probs.length);
  for (let r = 0; r < labels.length; r++) {
    if (labels[r] === ignored) continue;
    for (let c = 0; c < width; c++) {
      dlogits[r * width + c] = (probs[r * width + c] - (c === labels[r] ? 1 : 0)) * (dloss / denominator);
    }
  }
  return [dlogits];
}

function softCrossEntropy([logits, targets], [[, width]], { denominator }) {
  const probs = new Float64Array(logits.length);
  let loss = 0;
  for (let from = 0; from < logits.length; from += width) {
    const [largest, total] = softmaxRow(logits, probs, from, width);
    for (let c = from; c < from + width; c++) loss -= targets[c] * (logits[c] - largest - Math.log(total));
  }
  return [Float64Array.of(loss / denominator), probs];
}

function softCrossEntropyBackward([probs, targets], [[, width]], { denominator, dloss }) {
  const dlogits = new Float64Array(probs.length);
  for (let from = 0; from < probs.length; from += width) {
    const total = sumOf(targets.subarray(from, from + width));
    for (let c = from; c < from + width; c++) dlogits[c] = (probs[c] * total - targets[c]) * (dloss / denominator);
  }
  return [dlogits];
}

/** -(z log σ(x) + (1 - z) log(1 - σ(x))) of a logit x and a label z. */
export function binaryCrossEntropyOf(x, z) {
  return Math.max(x, 0) - x * z + Math.log1p(Math.exp(-Math.abs(x)));
}

function sumOf(x) {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i];
  return sum;
}

// NumPy's glue.

/** The inputs of an elementwise row: a number of attrs has its place among them. */
export function operandsOf(inputs, shapes, attrs) {
  const operands = inputs.map((x, i) => [x, shapes[i]]);
  const given = typeof attrs.scalar === "object" && attrs.scalar !== null ? attrs.scalar : attrs;
  if (typeof given.scalar === "number") operands.splice(given.side, 0, [Float64Array.of(given.scalar), []]);
  return operands;
}

function elementwise(inputs, shapes, attrs, [outShape]) {
  const operands = operandsOf(inputs, shapes, attrs);
  return [mapArray(ELEMENTWISE[attrs.f], ...operands.map(([x, shape]) => broadcastArray(x, shape, outShape)))];
}

function add(inputs, shapes, attrs, [outShape]) {
  const wide = inputs.map((x, i) => broadcastArray(x, shapes[i], outShape));
  return [wide.slice(1).reduce((sum, x) => mapArray(ELEMENTWISE.add, sum, x), wide[0])];
}

function gather([x], [shape], { index }, [outShape]) {
  const width = countOf(shape.slice(1));
  const y = new Float64Array(countOf(outShape));
  index.forEach((row, i) => y.set(x.subarray(row * width, (row + 1) * width), i * width));
  return [y];
}

/** Where a part goes that is put at `index`, whole rows along the first axis or single places: the strides with which it
 * is read as an array of `shape`, that index and then the axes of a row. */
export function scatterPlan({ index, rows }, partShape, outShape) {
  const shape = rows ? [index.length, ...outShape.slice(1)] : [index.length];
  const alike = countOf(partShape) === countOf(shape);
  return { shape, width: countOf(shape.slice(1)), strides: alike ? stridesOf(shape) : broadcastStrides(partShape, shape) };
}

/** A part put at `index` into a base or into zeros, or added there. */
function scatter([base, part], shapes, attrs, [outShape], add = false) {
  const { shape, width, strides } = scatterPlan(attrs, shapes[1], outShape);
  const wide = windowOf(part, shape, strides);
  const y = base ? base.slice() : new Float64Array(countOf(outShape));
  attrs.index.forEach((place, i) => {
    for (let c = 0; c < width; c++) y[place * width + c] = wide[i * width + c] + (add ? y[place * width + c] : 0);
  });
  return [y];
}

function put([base, part], shapes, { offset, strides, shape }, [outShape]) {
  const y = base ? base.slice() : new Float64Array(countOf(outShape));
  const places = placesOf(shape, strides, offset);
  const wide = broadcastArray(part, shapes[1], shape);
  for (let i = 0; i < places.length; i++) y[places[i]] = wide[i];
  return [y];
}

/** Lay arrays side by side: `lengths` are how many neighbouring numbers of each go in turn. */
function interleave(arrays, lengths) {
  const turn = lengths.reduce((sum, length) => sum + length, 0);
  const turns = arrays[0].length / lengths[0];
  const y = new Float64Array(turns * turn);
  for (let k = 0, to = 0; k < turns; k++) {
    arrays.forEach((x, i) => {
      y.set(x.subarray(k * lengths[i], (k + 1) * lengths[i]), to);
      to += lengths[i];
    });
  }
  return y;
}

function concat(inputs, shapes, { axis }) {
  const [front] = frontAxes(axis ?? 0, shapes[0].length);
  const filled = inputs.map((x, i) => i).filter((i) => inputs[i].length);
  if (!filled.length) return [new Float64Array(0)];
  return [interleave(filled.map((i) => inputs[i]), filled.map((i) => countOf(shapes[i].slice(front))))];
}

function stack(inputs, shapes, { axis }) {
  const [front] = frontAxes(axis ?? 0, shapes[0].length + 1);
  if (!inputs[0].length) return [new Float64Array(0)];
  return [interleave(inputs, shapes.map((shape) => countOf(shape.slice(front))))];
}

const REDUCTIONS = {
  sum: [0, (a, b) => a + b],
  prod: [1, (a, b) => a * b],
  max: [-Infinity, ELEMENTWISE.maximum],
  min: [Infinity, ELEMENTWISE.minimum],
};

function reduce([x], [shape], { f, axes }, [outShape]) {
  const places = placesOf(shape, reducedStrides(shape, axes));
  const fold = (name, numbers) => {
    const [start, join] = REDUCTIONS[name];
    const y = new Float64Array(countOf(outShape)).fill(start);
    for (let i = 0; i < numbers.length; i++) y[places[i]] = join(y[places[i]], numbers[i]);
    return y;
  };
  const mean = (numbers) => fold("sum", numbers).map((sum) => sum / (x.length / countOf(outShape)));
  if (REDUCTIONS[f]) return [fold(f, x)];
  if (f === "mean") return [mean(x)];
  const center = mean(x);
  const variance = mean(x.map((value, i) => (value - center[places[i]]) ** 2));
  return [f === "std" ? variance.map(Math.sqrt) : variance];
}

/** The sizes of NumPy's matmul, vectors seen as matrices: leading axes of both, where each product's matrices start. */
export function matmulSizes([a, b]) {
  const [aShape, bShape] = [a.length === 1 ? [1, ...a] : a, b.length === 1 ? [...b, 1] : b];
  const [rows, inner, columns] = [aShape.at(-2), aShape.at(-1), bShape.at(-1)];
  const [aLead, bLead] = [aShape.slice(0, -2), bShape.slice(0, -2)];
  const depth = Math.max(aLead.length, bLead.length);
  const lead = Array.from({ length: depth }, (_, axis) => {
    const [m, n] = [aLead.at(axis - depth) ?? 1, bLead.at(axis - depth) ?? 1];
    return m === 1 ? n : m;
  });
  const startsOf = (own, size) => {
    const strides = stridesOf(own);
    const extra = depth - own.length;
    const wide = lead.map((_, axis) => (axis < extra || own[axis - extra] === 1 ? 0 : strides[axis - extra] * size));
    return placesOf(lead, wide);
  };
  return { rows, inner, columns, aStarts: startsOf(aLead, rows * inner), bStarts: startsOf(bLead, inner * columns) };
}

function matmul([a, b], shapes) {
  const { rows, inner, columns, aStarts, bStarts } = matmulSizes(shapes);
  const y = new Float64Array(aStarts.length * rows * columns);
  aStarts.forEach((aAt, n) => addTimes(y, a, b, rows, inner, columns, inner, 1, n * rows * columns, aAt, bStarts[n]));
  return [y];
}

/** What an einsum sums over: the letters of the output, those summed away, and each operand's strides along both. */
export function einsumPlan(subscripts, shapes) {
  const [left, right] = subscripts.replaceAll(" ", "").split("->");
  const operands = left.split(",");
  const letters = [...new Set(left.replaceAll(",", ""))].sort();
  const out = right === undefined ? letters.filter((letter) => left.split(letter).length === 2) : [...right];
  const summed = letters.filter((letter) => !out.includes(letter));
  const sizes = {};
  operands.forEach((names, i) => [...names].forEach((letter, axis) => (sizes[letter] = shapes[i][axis])));
  const along = (names, i) =>
    names.map((letter) => {
      const strides = stridesOf(shapes[i]);
      return [...operands[i]].reduce((sum, other, axis) => sum + (other === letter ? strides[axis] : 0), 0);
    });
  return {
    out, summed, outSizes: out.map((letter) => sizes[letter]), summedSizes: summed.map((letter) => sizes[letter]),
    outStrides: operands.map((_, i) => along(out, i)), summedStrides: operands.map((_, i) => along(summed, i)),
  };
}

function einsum(inputs, shapes, { subscripts }) {
  const plan = einsumPlan(subscripts, shapes);
  const starts = plan.outStrides.map((strides) => placesOf(plan.outSizes, strides));
  const steps = plan.summedStrides.map((strides) => placesOf(plan.summedSizes, strides));
  const y = new Float64Array(countOf(plan.outSizes));
  for (let i = 0; i < y.length; i++) {
    for (let k = 0; k < steps[0].length; k++) {
      let product = 1;
      for (let n = 0; n < inputs.length; n++) product *= inputs[n][starts[n][i] + steps[n][k]];
      y[i] += product;
    }
  }
  return [y];
}

/** x where a condition holds, else another; either may be a number, `value` or `fill`. */
function where([x, condition, other], [shape, conditionShape, otherShape], { value, fill }, [outShape]) {
  const wide = (array, own, number) => (array ? broadcastArray(array, own, outShape) : new Float64Array(countOf(outShape)).fill(number));
  const chosen = broadcastArray(condition, conditionShape, outShape);
  const [yes, no] = [wide(x, shape, value), wide(other, otherShape, fill)];
  return [chosen.map((here, i) => (here ? yes[i] : no[i]))];
}

export const KERNELS = {
  linear,
  linear_backward: linearBackward,
  layer_norm: layerNorm,
  layer_norm_backward: layerNormBackward,
  embedding,
  embedding_backward: embeddingBackward,
  activation: ([x], shapes, { name }) => [mapArray(ACTIVATIONS[name].value, x)],
  activation_backward: ([dy, x], shapes, { name }) => {
    const { slope } = ACTIVATIONS[name];
    return [mapArray((d, value) => d * slope(value), dy, x)];
  },
  tanh: ([x]) => [mapArray(Math.tanh, x)],
  tanh_backward: ([dy, y]) => [mapArray((d, value) => d * (1 - value * value), dy, y)],
  softmax,
  softmax_backward: softmaxBackward,
  dropout: ([x, kept], shapes, { scale }) => [mapArray((value, here) => value * here * scale, x, kept)],
  dropout_backward: ([dy, kept], shapes, { scale }) => [mapArray((d, here) => d * here * scale, dy, kept)],
  scores,
  scores_backward: scoresBackward,
  context,
  context_backward: contextBackward,
  cross_entropy: crossEntropy,
  cross_entropy_backward: crossEntropyBackward,
  soft_cross_entropy: softCrossEntropy,
  soft_cross_entropy_backward: softCrossEntropyBackward,
  binary_cross_entropy: ([x, labels], shapes, { denominator }) => [
    Float64Array.of(sumOf(mapArray(binaryCrossEntropyOf, x, labels)) / denominator),
  ],
  binary_cross_entropy_backward: ([x, labels], shapes, { denominator, dloss }) => [
    mapArray((value, label) => (sigmoid(value) - label) * (dloss / denominator), x, labels),
  ],
  mean_squared_error: ([x, labels], shapes, { denominator }) => [
    Float64Array.of(sumOf(mapArray((value, label) => (value - label) ** 2, x, labels)) / denominator),
  ],
  mean_squared_error_backward: ([x, labels], shapes, { denominator, dloss }) => [
    mapArray((value, label) => (value - label) * ((2 * dloss) / denominator), x, labels),
  ],
  copy: ([x], shapes, attrs, outShapes) => outShapes.map(() => x),
  add,
  view: ([x], shapes, { offset, strides }, [outShape]) => [windowOf(x, outShape, strides, offset)],
  gather,
  take: ([x], shapes, { index }) => [Float64Array.from(index, (place) => x[place])],
  scatter,
  scatter_add: (inputs, shapes, attrs, outShapes) => scatter(inputs, shapes, attrs, outShapes, true),
  put,
  concat,
  stack,
  sum: ([x], shapes, { axes }, outShapes) => reduce([x], shapes, { f: "sum", axes }, outShapes),
  matmul,
  einsum,
  where,
  elementwise,
  reduce,
};
