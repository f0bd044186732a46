// Elements, and numbers as text.

/** An element: `el("button", { class: "x", onclick: f }, "text", child)`. Text is always text, never markup. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** An element of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** A formula (MathML written by formulas.js and explain.js) as an element. */
export function mathOf(markup, className = "math") {
  const holder = el("span", { class: className });
  holder.innerHTML = markup;
  return holder;
}

const RAISED = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** 10 to a power as text: 10⁻⁵. */
export function powerOfTen(exponent) {
  return "10" + [...String(exponent)].map((character) => RAISED[character]).join("");
}

/** The exponent of a number's first digit: −2 for 0.0123. */
export function exponentOf(x) {
  return x === 0 ? 0 : Math.floor(Math.log10(Math.abs(x)));
}

/** A number with so many digits, a true minus, and a power of ten where it is very small or large. */
export function figures(x, digits = 4) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "∞" : "−∞";
  if (x === 0) return "0";
  if (Number.isInteger(x) && Math.abs(x) < 1e6) return String(x).replace("-", "−");
  const exponent = exponentOf(x);
  if (exponent < -3 || exponent > 6) {
    const [mantissa, power] = x.toExponential(digits - 1).split("e");
    return `${mantissa}·${powerOfTen(Number(power))}`.replace("-", "−");
  }
  const text = exponent >= digits ? x.toFixed(0) : x.toPrecision(digits);
  return text.replace("-", "−");
}

/** A piece of the vocabulary as readers see it: its space as a dot, cut where it is very long, but for its number. */
export function pieceText(piece, longest = 24) {
  const shown = piece.replaceAll("▁", "·").replace(/[\u0000-\u001f\u2028\u2029]/g, "␣");
  if ([...shown].length <= longest) return shown;
  const [number] = /[₀-₉]*$/.exec(shown);
  return `${[...shown].slice(0, longest - 1 - number.length).join("")}…${number}`;
}
