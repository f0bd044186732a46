// What the page carries, and how its rows, values and stops hang together.

/** Unpack what travels as text (base64 of raw deflate). */
async function unpack(base64) {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).arrayBuffer();
}

/** The recorded pass, from the two texts that a page carries: what it is (JSON), and the bytes of its arrays. */
export async function readPass(text, arrays) {
  const [json, bytes] = await Promise.all([unpack(text), unpack(arrays)]);
  return { ...JSON.parse(new TextDecoder().decode(json)), bytes: new Uint8Array(bytes) };
}

/** Who makes each value, whose gradient a value is, and which stop a row belongs to: worked out once. */
export function wiring(data) {
  if (data.wiring) return data.wiring;
  const producer = [];
  const gradientOf = [];
  const contribution = [];
  const stopOfRow = [];
  data.rows.forEach((row, r) => row.out.forEach((id, slot) => (producer[id] = { row: r, slot })));
  data.values.forEach((value, id) => value.grad != null && (gradientOf[value.grad] ??= id));
  data.params.forEach((param, p) =>
    param.grad?.contributions.forEach((id, k) => (contribution[id] = { param: p, k })),
  );
  data.stops.forEach((stop, s) => stop.rows.forEach((row) => (stopOfRow[row] = s)));
  data.wiring = { producer, gradientOf, contribution, stopOfRow };
  return data.wiring;
}

/** The stop at which a value is made; where views made it, the stop of what they look at. Null for what is given. */
export function stopOfValue(data, id) {
  const { producer, stopOfRow } = wiring(data);
  for (let made = producer[id]; made; made = producer[data.rows[made.row].in[0]]) {
    if (stopOfRow[made.row] !== undefined) return stopOfRow[made.row];
  }
  return null;
}

/** The values that a stop starts from and those that it makes, each once. */
export function valuesOfStop(data, stop) {
  const rows = stop.rows.map((r) => data.rows[r]);
  const outs = [...new Set(rows.flatMap((row) => row.out))];
  const ins = [...new Set(rows.flatMap((row) => row.in))].filter((id) => id != null && !outs.includes(id));
  return { ins, outs };
}

/** The parameter that a row uses (or whose use its mirror is), or null. */
export function parameterOfRow(data, r) {
  const row = data.rows[r];
  const own = row.in.find((id) => id != null && data.values[id].param !== undefined);
  if (own !== undefined) return data.values[own].param;
  return row.phase === "backward" && row.mirror != null ? parameterOfRow(data, row.mirror) : null;
}

/** The value of token ids from which the words are looked up, followed back to what is given; null without one. */
export function wordIds(data) {
  const { producer } = wiring(data);
  const row = data.rows.find(
    (candidate) => candidate.kind === "embedding" && /word_embeddings/.test(paramName(data, candidate.in[1])),
  );
  if (!row) return null;
  let id = row.in[0];
  while (producer[id] && ["view", "copy"].includes(data.rows[producer[id].row].kind)) id = data.rows[producer[id].row].in[0];
  const places = data.tokens.reduce((sum, sequence) => sum + sequence.length, 0);
  return data.values[id].shape.reduce((size, length) => size * length, 1) === places ? id : null;
}

/** The parameter's name behind a value, or "". */
export function paramName(data, id) {
  const param = id == null ? undefined : data.values[id].param;
  return param === undefined ? "" : data.params[param].name;
}
