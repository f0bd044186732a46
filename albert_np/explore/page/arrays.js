// Arrays: how they are stored, and their windows as NumPy has them. Every array is a contiguous Float64Array beside a shape; none is ever edited in place.

/** Array `i` of the blob as doubles, whatever it is stored as; read once and kept in `data.decoded`. */
export function arrayOf(data, i) {
  data.decoded ??= [];
  return (data.decoded[i] ??= decodeNumbers(data.arrays[i], data.bytes));
}

const NUMBER_BYTES = { f16: 2, f32: 4, f64: 8, i32: 4, u8: 1 };
const NUMBER_READERS = {
  f16: (view, at) => halfToDouble(view.getUint16(at, true)),
  f32: (view, at) => view.getFloat32(at, true),
  f64: (view, at) => view.getFloat64(at, true),
  i32: (view, at) => view.getInt32(at, true),
  u8: (view, at) => view.getUint8(at),
};

function decodeNumbers({ dtype, offset, length }, bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, length);
  const [read, size] = [NUMBER_READERS[dtype], NUMBER_BYTES[dtype]];
  const numbers = new Float64Array(length / size);
  for (let i = 0; i < numbers.length; i++) numbers[i] = read(view, i * size);
  return numbers;
}

/** A number of 16 bits (1 sign, 5 exponent, 10 fraction) as a double. */
function halfToDouble(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

export function countOf(shape) {
  return shape.reduce((count, length) => count * length, 1);
}

/** Steps in the flat array for a step along each axis. */
export function stridesOf(shape) {
  const strides = new Array(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** A flat index as one index an axis. */
export function unravel(flat, shape) {
  const index = new Array(shape.length);
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = flat % shape[axis];
    flat = Math.floor(flat / shape[axis]);
  }
  return index;
}

/** One index an axis as a flat index. */
export function ravel(index, shape) {
  return index.reduce((flat, i, axis) => flat * shape[axis] + i, 0);
}

/** The strides with which an array of `shape` is read as one of `wide`, as NumPy broadcasts: 0 along stretched axes. */
export function broadcastStrides(shape, wide) {
  const own = stridesOf(shape);
  const extra = wide.length - shape.length;
  return wide.map((_, axis) => (axis < extra || shape[axis - extra] === 1 ? 0 : own[axis - extra]));
}

/** Where each number of a window lies: the window has `shape`, starts at `offset`, and steps by `strides`. */
export function placesOf(shape, strides, offset = 0) {
  const places = new Int32Array(countOf(shape));
  if (!places.length) return places;
  places[0] = offset;
  let filled = 1; // the window of the last axes, then of one axis more, until it is whole
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    for (let i = 1; i < shape[axis]; i++) {
      const [to, step] = [i * filled, i * strides[axis]];
      for (let j = 0; j < filled; j++) places[to + j] = places[j] + step;
    }
    filled *= shape[axis];
  }
  return places;
}

/** A window of an array as an array of its own; the same memory where it is a contiguous stretch. */
export function windowOf(x, shape, strides, offset = 0) {
  const own = stridesOf(shape);
  if (shape.every((length, axis) => length === 1 || strides[axis] === own[axis])) {
    return x.subarray(offset, offset + countOf(shape));
  }
  const places = placesOf(shape, strides, offset);
  const y = new Float64Array(places.length);
  for (let i = 0; i < y.length; i++) y[i] = x[places[i]];
  return y;
}

/** An array stretched to a wider shape. */
export function broadcastArray(x, shape, wide) {
  return windowOf(x, wide, broadcastStrides(shape, wide));
}

/** Axes counted from the front and in order; null stands for all. */
export function frontAxes(axes, ndim) {
  const all = axes ?? Array.from({ length: ndim }, (_, axis) => axis);
  return [all].flat().map((axis) => (axis < 0 ? axis + ndim : axis)).sort((a, b) => a - b);
}

/** The strides that lead from each place of `shape` to where a reduction over `axes` puts it. */
export function reducedStrides(shape, axes) {
  const reduced = frontAxes(axes, shape.length);
  const strides = stridesOf(shape.map((length, axis) => (reduced.includes(axis) ? 1 : length)));
  return strides.map((stride, axis) => (reduced.includes(axis) ? 0 : stride));
}

/** Which places of an array of `shape` a reduction over `axes` puts at place `to`. */
export function reducedPlaces(shape, axes, to) {
  const places = placesOf(shape, reducedStrides(shape, axes));
  return [...places.keys()].filter((place) => places[place] === to);
}
