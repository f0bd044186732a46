// Formulas of each kind of row as MathML, written in a small notation:
//
//   dx[t,i]   a name with an index         Σ[o]  a sum over o          {a}/{b}  a fraction
//   √{a}      a root                       a^{2} a power               'text'   words, or a number, as they stand ('' is ')
//
// `formulaOf` gives the formula of each output of a row; names are those of the code.
import { figures } from "./dom.js";

const ATOM = /\s*(?:'((?:[^']|'')*)'|([\p{L}][\p{L}\p{M}\d_′₁-₉]*)|(\d+(?:\.\d+)?)|([Σ√^{}[\](),])|(.))/uy;

/** MathML of a formula in the small notation. */
export function mathml(source, display = "inline") {
  const tokens = tokensOf(source);
  const inside = sequenceOf(tokens, undefined);
  return `<math xmlns="http://www.w3.org/1998/Math/MathML" display="${display}"><mrow>${inside}</mrow></math>`;
}

function tokensOf(source) {
  const tokens = [];
  ATOM.lastIndex = 0;
  for (let match = ATOM.exec(source.trim()); match; match = ATOM.exec(source.trim())) {
    const [, text, name, number, mark, operator] = match;
    if (text !== undefined) tokens.push({ type: "text", text: text.replaceAll("''", "'") });
    else if (name) tokens.push({ type: "name", text: name });
    else if (number) tokens.push({ type: "number", text: number });
    else tokens.push({ type: mark ?? "operator", text: mark ?? operator });
  }
  return tokens;
}

/** Everything up to the mark that closes it. */
function sequenceOf(tokens, close) {
  let markup = "";
  while (tokens.length && tokens[0].type !== close) markup += scriptedOf(tokens);
  tokens.shift();
  return markup;
}

/** One atom with the index, power or denominator that hangs on it. */
function scriptedOf(tokens) {
  let atom = atomOf(tokens);
  if (tokens[0]?.type === "[") {
    tokens.shift();
    atom = `<msub>${atom}<mrow>${sequenceOf(tokens, "]")}</mrow></msub>`;
  }
  if (tokens[0]?.type === "^") {
    tokens.shift();
    atom = `<msup>${atom}${atomOf(tokens)}</msup>`;
  }
  if (tokens[0]?.text === "/" && tokens[1]?.type === "{") {
    tokens.shift();
    atom = `<mfrac>${atom}${atomOf(tokens)}</mfrac>`;
  }
  return atom;
}

function atomOf(tokens) {
  const { type, text } = tokens.shift();
  if (type === "{") return `<mrow>${sequenceOf(tokens, "}")}</mrow>`;
  if (type === "√") return `<msqrt>${scriptedOf(tokens)}</msqrt>`;
  if (type === "Σ") return "<mo>∑</mo>";
  if (type === "name") return FUNCTIONS.has(text) ? `<mi mathvariant="normal">${text}</mi>` : `<mi>${escapeMath(text)}</mi>`;
  if (type === "number") return `<mn>${text}</mn>`;
  if (type === "text") return /^−?[\d.]+(·10[⁻⁰-⁹¹²³]+)?$/.test(text) ? `<mn>${escapeMath(text)}</mn>` : `<mtext>${escapeMath(text.replace(/^ +| +$/g, (spaces) => "\u00a0".repeat(spaces.length)))}</mtext>`;
  return `<mo>${escapeMath(text)}</mo>`;
}

const FUNCTIONS = new Set(["exp", "log", "log1p", "tanh", "erf", "sin", "cos", "max", "min", "mean", "sign", "Φ", "φ", "σ"]);

/** Any text as one word of the small notation. */
export function mathText(text) {
  return `'${String(text).replaceAll("'", "''")}'`;
}

function escapeMath(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A number as it stands in a formula; in brackets where it is negative and something stands before it. */
export function mathNumber(x, { first = false, digits = 4 } = {}) {
  const text = `'${figures(x, digits)}'`;
  return first || !(x < 0) ? text : `(${text})`;
}

const ACTIVATION_FORMULAS = {
  gelu: ["x · Φ(x)", "Φ(x) + x · φ(x)"],
  gelu_new: [
    "{1}/{2} x · (1 + tanh(√{{2}/{π}} · (x + 0.044715 x^{3})))",
    "{1}/{2} · (1 + t) + {1}/{2} x · (1 − t^{2}) · √{{2}/{π}} · (1 + 3 · 0.044715 x^{2})",
  ],
  relu: ["max(x, 0)", "'1 if 'x > 0' – else 0'"],
  silu: ["x · σ(x)", "σ(x) + x · σ(x) · (1 − σ(x))"],
  quick_gelu: ["x · σ(1.702 x)", "σ(1.702 x) · (1 + 1.702 x · (1 − σ(1.702 x)))"],
  tanh: ["tanh(x)", "1 − tanh^{2}(x)"],
};
const SAME_FORMULA = { gelu_python: "gelu", gelu_pytorch_tanh: "gelu_new", gelu_fast: "gelu_new", swish: "silu" };

const TANH_FORM = { gelu_new: true, gelu_pytorch_tanh: true, gelu_fast: true };
const TANH_FORM_T = "' ,  't = tanh(√{{2}/{π}} · (x + 0.044715 x^{3}))";

/** Value and slope of an activation, in the small notation. */
export function activationFormulas(name) {
  return ACTIVATION_FORMULAS[SAME_FORMULA[name] ?? name];
}

const ELEMENTWISE_FORMULAS = {
  negative: "−a",
  add: "a + b",
  subtract: "a − b",
  multiply: "a · b",
  divide: "a / b",
  power: "a^{b}",
  exp: "exp(a)",
  log: "log(a)",
  log1p: "log(1 + a)",
  expm1: "exp(a) − 1",
  sin: "sin(a)",
  cos: "cos(a)",
  sqrt: "√{a}",
  square: "a^{2}",
  tanh: "tanh(a)",
  abs: "|a|",
  sign: "sign(a)",
  maximum: "max(a, b)",
  minimum: "min(a, b)",
  greater: "'1 if 'a > b' – else 0'",
  greater_equal: "'1 if 'a ≥ b' – else 0'",
  less: "'1 if 'a < b' – else 0'",
  less_equal: "'1 if 'a ≤ b' – else 0'",
  erf: "erf(a)",
  reciprocal: "{1}/{a}",
};

/** An elementwise formula with other things in place of its a and b. */
export function elementwiseFormula(f, a, b = "") {
  return ELEMENTWISE_FORMULAS[f].replace(/(?<!\p{L})[ab](?!\p{L})/gu, (letter) => (letter === "a" ? a : b));
}

/** Formulas of a kind's outputs, from the row. */
const FORMULAS = {
  linear: ({ row }) => [`y[t,o] = Σ[i] x[t,i] weight[o,i]${row.in[2] == null ? "" : " + bias[o]"}`],
  linear_backward: () => [
    "dx[t,i] = Σ[o] dy[t,o] weight[o,i]",
    "dweight[o,i] = Σ[t] dy[t,o] x[t,i]",
    "dbias[o] = Σ[t] dy[t,o]",
  ],
  layer_norm: () => [
    "y[t,h] = weight[h] x̂[t,h] + bias[h]",
    "x̂[t,h] = rstd[t] · (x[t,h] − mean[t])",
    "rstd[t] = {1}/{√{{1}/{H} Σ[h] (x[t,h] − mean[t])^{2} + eps}}",
  ],
  layer_norm_backward: () => [
    "dx[t,h] = rstd[t] · (dx̂[t,h] − {1}/{H} Σ[j] dx̂[t,j] − x̂[t,h] {1}/{H} Σ[j] dx̂[t,j] x̂[t,j])' ,  'dx̂[t,h] = dy[t,h] weight[h]",
    "dweight[h] = Σ[t] dy[t,h] x̂[t,h]",
    "dbias[h] = Σ[t] dy[t,h]",
  ],
  embedding: () => ["y[t,e] = weight[ids(t),e]"],
  embedding_backward: () => ["dweight[v,e] = Σ[t: ids(t)=v] dy[t,e]"],
  activation: ({ attrs }) => [`y = ${activationFormulas(attrs.name)[0]}`],
  activation_backward: ({ attrs }) => [`dx = dy · (${activationFormulas(attrs.name)[1]})${attrs.name in TANH_FORM ? TANH_FORM_T : ""}`],
  tanh: () => ["y = tanh(x)"],
  tanh_backward: () => ["dx = dy · (1 − y^{2})"],
  softmax: () => ["probs[t,s] = {exp(x[t,s] − max[t])}/{Σ[j] exp(x[t,j] − max[t])}"],
  softmax_backward: () => ["dx[t,s] = probs[t,s] · (dprobs[t,s] − Σ[j] dprobs[t,j] probs[t,j])"],
  dropout: () => ["y = x · kept · scale"],
  dropout_backward: () => ["dx = dy · kept · scale"],
  scores: ({ row }) => [`scores[t,s] = {Σ[d] query[t,d] key[s,d]}/{√{D}}${row.in[2] == null ? "" : " + mask[s]"}`],
  scores_backward: () => [
    "dquery[t,d] = {1}/{√{D}} Σ[s] dscores[t,s] key[s,d]",
    "dkey[s,d] = {1}/{√{D}} Σ[t] dscores[t,s] query[t,d]",
  ],
  context: () => ["context[t,d] = Σ[s] dropped[t,s] value[s,d]"],
  context_backward: () => [
    "ddropped[t,s] = Σ[d] dcontext[t,d] value[s,d]",
    "dvalue[s,d] = Σ[t] dropped[t,s] dcontext[t,d]",
  ],
  cross_entropy: () => [
    "loss = −{1}/{n} Σ[r] log(probs[r,label(r)])",
    "probs[r,c] = {exp(logits[r,c] − max[r])}/{Σ[j] exp(logits[r,j] − max[r])}",
  ],
  cross_entropy_backward: () => ["dlogits[r,c] = {dloss}/{n} · (probs[r,c] − ('1 if 'c = label(r)' – else 0'))"],
  soft_cross_entropy: () => [
    "loss = −{1}/{n} Σ[r,c] targets[r,c] log(probs[r,c])",
    "probs[r,c] = {exp(logits[r,c] − max[r])}/{Σ[j] exp(logits[r,j] − max[r])}",
  ],
  soft_cross_entropy_backward: () => ["dlogits[r,c] = {dloss}/{n} · (probs[r,c] Σ[j] targets[r,j] − targets[r,c])"],
  binary_cross_entropy: () => ["loss = −{1}/{n} Σ[i] (label[i] · log(σ(x[i])) + (1 − label[i]) · log(1 − σ(x[i])))"],
  binary_cross_entropy_backward: () => ["dx[i] = {dloss}/{n} · (σ(x[i]) − label[i])"],
  mean_squared_error: () => ["loss = {1}/{n} Σ[i] (x[i] − label[i])^{2}"],
  mean_squared_error_backward: () => ["dx[i] = {2 dloss}/{n} · (x[i] − label[i])"],
  copy: ({ outs, ins }) => outs.map((name) => `${name} = ${ins[0]}`),
  add: ({ outs, ins }) => [`${outs[0]} = ${ins.join(" + ")}`],
  view: ({ outs, ins }) => [`${outs[0]}[i] = ${ins[0]}[place(i)]`],
  gather: ({ outs, ins }) => [`${outs[0]}[i] = ${ins[0]}[row(i)]`],
  take: ({ outs, ins }) => [`${outs[0]}[i] = ${ins[0]}[place(i)]`],
  scatter: ({ outs, ins, attrs }) => [`${outs[0]}[${attrs.rows ? "row" : "place"}(i)] = ${ins[1]}[i]`],
  scatter_add: ({ row, outs, ins, attrs }) => [`${outs[0]}[k] = ${row.in[0] == null ? "" : `${ins[0]}[k] + `}Σ[i: ${attrs.rows ? "row" : "place"}(i)=k] ${ins[1]}[i]`],
  put: ({ outs, ins }) => [`${outs[0]}[place(i)] = ${ins[1]}[i]`],
  concat: ({ outs, ins }) => [`${outs[0]} = (${ins.join(", ")})`],
  stack: ({ outs, ins }) => [`${outs[0]} = (${ins.join(", ")})`],
  sum: ({ outs, ins }) => [`${outs[0]} = Σ ${ins[0]}`],
  matmul: ({ outs, ins }) => [`${outs[0]}[i,j] = Σ[k] ${ins[0]}[i,k] ${ins[1]}[k,j]`],
  einsum: ({ outs, ins, attrs }) => [einsumFormula(outs[0], ins, attrs.subscripts)],
  where: ({ row, outs, ins, attrs }) => {
    const [x, other] = [[0, attrs.value], [2, attrs.fill]].map(([slot, number]) => (row.in[slot] == null ? mathNumber(number, { first: true }) : ins[slot]));
    return [`${outs[0]} = ${x}' where '${ins[1]}' – else ' ${other}`];
  },
  elementwise: ({ outs, ins, attrs }) => [`${outs[0]} = ${elementwiseFormula(attrs.f, ...operandNames(ins, attrs))}`],
  reduce: ({ outs, ins, attrs }) => [`${outs[0]} = '${attrs.f}'(${ins[0]})`],
};

/** The names of an elementwise row's operands, a number of attrs among them. */
export function operandNames(ins, attrs) {
  const names = [...ins];
  if (typeof attrs.scalar === "number") names.splice(attrs.side, 0, mathNumber(attrs.scalar));
  return names;
}

function einsumFormula(out, ins, subscripts) {
  const [left, right = ""] = subscripts.replaceAll(" ", "").split("->");
  const indexed = (name, letters) => (letters ? `${name}[${[...letters].join(",")}]` : name);
  const summed = [...new Set(left.replaceAll(",", ""))].filter((letter) => !right.includes(letter));
  const factors = left.split(",").map((letters, i) => indexed(ins[i], letters));
  return `${indexed(out, right)} = ${summed.length ? `Σ[${summed.join(",")}] ` : ""}${factors.join(" ")}`;
}

/** Names of a kind's inputs and outputs: those of the arguments in ops.py. */
const SLOT_NAMES = {
  linear: ["x weight bias", "y"],
  linear_backward: ["dy x weight", "dx dweight dbias"],
  layer_norm: ["x weight bias", "y x̂ rstd"],
  layer_norm_backward: ["dy x̂ rstd weight", "dx dweight dbias"],
  embedding: ["ids weight", "y"],
  embedding_backward: ["dy ids", "dweight"],
  activation: ["x", "y"],
  activation_backward: ["dy x", "dx"],
  tanh: ["x", "y"],
  tanh_backward: ["dy y", "dx"],
  softmax: ["x", "probs"],
  softmax_backward: ["dprobs probs", "dx"],
  dropout: ["x kept", "y"],
  dropout_backward: ["dy kept", "dx"],
  scores: ["query key mask", "scores"],
  scores_backward: ["dscores query key", "dquery dkey"],
  context: ["dropped value", "context"],
  context_backward: ["dcontext dropped value", "ddropped dvalue"],
  cross_entropy: ["logits labels", "loss probs"],
  cross_entropy_backward: ["probs labels", "dlogits"],
  soft_cross_entropy: ["logits targets", "loss probs"],
  soft_cross_entropy_backward: ["probs targets", "dlogits"],
  binary_cross_entropy: ["x labels", "loss"],
  binary_cross_entropy_backward: ["x labels", "dx"],
  mean_squared_error: ["x labels", "loss"],
  mean_squared_error_backward: ["x labels", "dx"],
};

/** What a row's input or output is called: as in ops.py, or, between ops, by the name of its value. */
export function slotName(data, rowIndex, side, slot) {
  const { kind } = data.rows[rowIndex];
  const names = SLOT_NAMES[kind]?.[side === "in" ? 0 : 1].split(" ");
  return names ? names[slot] : glueNames(data, rowIndex)[side === "in" ? "ins" : "outs"][slot];
}

/** Names between ops: those of the values, letters where they have none; a result is told apart from what it is made of. */
function glueNames(data, rowIndex) {
  const { kind, in: inputs, out } = data.rows[rowIndex];
  const own = (id) => (id == null ? "0" : data.values[id].name.replace(/.*\./, ""));
  const taken = new Set([...inputs, ...out].map(own));
  const free = (name) => (taken.has(name) ? free(`${name}′`) : name);
  const ins = inputs.map((id, i) => own(id) || free(inputs.length > 1 ? String.fromCharCode(97 + (i % 26)) : "x"));
  if (kind === "copy") return { ins, outs: out.map((_, i) => `${ins[0]}${"₁₂₃₄₅₆₇₈₉"[i] ?? `_${i + 1}`}`) };
  const outs = out.map((id, i) => own(id) || free(out.length > 1 ? `y${i + 1}` : "y"));
  return { ins, outs: outs.map((name) => (ins.includes(name) ? `${name}′` : name)) };
}

/** The formulas of a row's outputs in the small notation. */
export function formulaSources(data, rowIndex) {
  const row = data.rows[rowIndex];
  return FORMULAS[row.kind]({ row, attrs: row.attrs ?? {}, ...glueNames(data, rowIndex) });
}

/** The formulas of a row's outputs as MathML, one each. */
export function formulaOf(data, rowIndex) {
  return formulaSources(data, rowIndex).map((source) => mathml(source));
}
