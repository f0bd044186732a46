// One array as a picture: cells in colour, with their numbers where these fit, labels beside the rows.

import { unravel } from "./arrays.js";
import { colourTable, inkOn, largestIndex, placeInTable, scaleOf, UNCOLOURED } from "./colours.js";
import { el, exponentOf, figures, pieceText, powerOfTen } from "./dom.js";
import { axisLabel, placeText } from "./explain.js";
import { t } from "./i18n.js";

const NAMED_AXES = ["T", "S", "R", "V", "asked", "real", "wanted"];
const MONOSPACE = 'ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
const GAP = 8;
let ruler = null; // a context to measure texts with

/** An array's last two axes are rows and columns; each index of the axes before them is a panel. */
function panelsOf(shape) {
  const rows = shape.length > 1 ? shape.at(-2) : 1;
  const columns = shape.length ? shape.at(-1) : 1;
  const count = shape.slice(0, -2).reduce((product, length) => product * length, 1);
  return { rows, columns, count };
}

/** Which rows of a table of the vocabulary are worth showing: those in use, where most are not. Null for all. */
export function rowsInUse(value, array, used) {
  if (value.axes[0] !== "V" || value.shape.length !== 2 || value.shape[0] <= 64) return null;
  const [rows, columns] = value.shape;
  const kept = [];
  for (let row = 0; row < rows && kept.length <= 64; row++) {
    const filled = used ? used.has(row) : array.subarray(row * columns, (row + 1) * columns).some((x) => x !== 0);
    if (filled) kept.push(row);
  }
  return kept.length && kept.length <= 64 ? kept : null;
}

/** How small numbers are written in cells: one power of ten and one number of decimals for the whole array. */
function cellFormat(array, largest, fewer) {
  const minus = (text) => text.replace("-", "−");
  if (array.every(Number.isInteger)) return { power: 0, text: (x) => (Math.abs(x) < 1e6 ? minus(String(x)) : x > 0 ? "∞" : "−∞") };
  const exponent = exponentOf(largest);
  const power = exponent < -1 || exponent > 2 ? exponent : 0;
  const decimals = Math.max(0, (power || exponent < 1 ? 2 : exponent === 1 ? 1 : 0) - fewer);
  const factor = 10 ** -power;
  return { power, text: (x) => (x === 0 ? "0" : Math.abs(x) > UNCOLOURED ? (x > 0 ? "∞" : "−∞") : minus((x * factor).toFixed(decimals)).replace(/^−(0\.?0*)$/, "$1")) };
}

/** Sizes of cells so that an array fits into width × height: {cellWidth, cellHeight, binned columns and rows, perLine …}. */
export function layoutOf({ rows, columns, count, together, gutter, caption }, width, height, numbers) {
  if (numbers) {
    const perLine = Math.max(1, Math.min(together, Math.floor((width - gutter + GAP) / (columns * numbers.width + GAP))));
    return place({ cellWidth: numbers.width, cellHeight: numbers.height, skipX: 1, skipY: 1, perLine });
  }
  const perLine = Math.min(together, count > 8 && columns < 40 ? 6 : count > 4 ? Math.ceil(count / 2) : count);
  const lines = Math.ceil(count / perLine);
  const roomX = Math.max(24, (width - gutter - (perLine - 1) * GAP) / perLine);
  const roomY = Math.max(10, height / lines - caption);
  const skipX = Math.max(1, Math.ceil(columns / roomX));
  const skipY = Math.max(1, Math.ceil(rows / roomY));
  const cellWidth = Math.max(1, Math.min(16, Math.floor((roomX * skipX) / columns)));
  let cellHeight = Math.max(1, Math.min(14, Math.floor((roomY * skipY) / rows)));
  if (rows === 1) cellHeight = 16;
  if (rows > 1) cellHeight = Math.min(cellHeight, Math.max(cellWidth * 2, gutter ? 12 : 3));
  return place({ cellWidth, cellHeight, skipX, skipY, perLine });

  function place(layout) {
    const panelWidth = Math.ceil(columns / layout.skipX) * layout.cellWidth;
    const panelHeight = Math.ceil(rows / layout.skipY) * layout.cellHeight;
    const lineCount = Math.ceil(count / layout.perLine);
    return {
      ...layout, panelWidth, panelHeight,
      width: gutter + layout.perLine * panelWidth + (layout.perLine - 1) * GAP + 3,
      height: lineCount * (panelHeight + caption) + (lineCount - 1) * 4 + 3,
    };
  }
}

/** Shrink a panel to its picture: each pixel shows the number of largest magnitude of those it stands for. */
export function shrink(array, { start, rows, columns, skipX, skipY, rowAt }) {
  const wide = Math.ceil(columns / skipX);
  const high = Math.ceil(rows / skipY);
  const picture = new Float64Array(wide * high);
  for (let row = 0; row < rows; row++) {
    const from = start + (rowAt ? rowAt[row] : row) * columns;
    const to = Math.floor(row / skipY) * wide;
    for (let column = 0; column < columns; column++) {
      const at = to + Math.floor(column / skipX);
      const x = array[from + column];
      if (Math.abs(x) > Math.abs(picture[at]) || Number.isNaN(x)) picture[at] = x;
    }
  }
  return { picture, wide, high };
}

/** Numbers as a picture of one pixel each. */
export function paint(picture, wide, high, scale, table) {
  const image = new ImageData(wide, high);
  for (let i = 0; i < picture.length; i++) {
    const entry = 3 * placeInTable(picture[i], scale);
    image.data[4 * i] = table[entry];
    image.data[4 * i + 1] = table[entry + 1];
    image.data[4 * i + 2] = table[entry + 2];
    image.data[4 * i + 3] = 255;
  }
  const canvas = new OffscreenCanvas(wide, high);
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** A whole array, however large, as a small picture on `canvas`. */
export function thumbnail(canvas, array, shape, scale, theme) {
  const { rows, columns, count } = panelsOf(shape);
  const [width, height] = [canvas.width, canvas.height];
  const flat = { start: 0, rows: rows * count, columns };
  flat.skipX = Math.max(1, Math.ceil(columns / width));
  flat.skipY = Math.max(1, Math.ceil(flat.rows / height));
  const { picture, wide, high } = shrink(array, flat);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.drawImage(paint(picture, wide, high, scale, colourTable(theme, scale.sequential)), 0, 0, width, height);
}

/** The scale as text: √ ±0.015 for gradients, 0 … 1 for probabilities. */
export function scaleText(scale) {
  if (scale.sequential) return "0 … 1";
  if (scale.largest === 0) return "0";
  return `${scale.root ? "√ " : ""}±${figures(scale.largest, 2)}`;
}

/**
 * The picture of a value, to look at, point at and walk through by keyboard.
 * Options: id, name, array, gradient, probabilities, width and height (room, in px), used (rows of a table in use),
 * theme, ink, unit and captionSize (px of text), compact, bare (no numbers), onopen(index), onpoint(index | null, rectangle),
 * onleave(). Laid out when made: `outerWidth` and `outerHeight`; `build` makes its element.
 */
export class MatrixView {
  constructor(data, options) {
    Object.assign(this, options);
    this.data = data;
    this.value = data.values[options.id];
    this.scale = scaleOf(this.array, options);
    const { rows, columns, count } = panelsOf(this.value.shape);
    this.rowAt = rowsInUse(this.value, this.array, options.used);
    this.rows = this.rowAt ? this.rowAt.length : rows;
    this.allRows = rows;
    Object.assign(this, { columns, count });
    this.marks = [];
    this.cursor = this.chosen = null;
    this.arrange();
  }

  arrange() {
    const { value, unit } = this;
    const ink = (ruler ??= new OffscreenCanvas(1, 1).getContext("2d"));
    ink.font = `${unit}px ${MONOSPACE}`;
    const rowAxis = value.axes.at(-2);
    this.named = value.shape.length > 1 && NAMED_AXES.includes(rowAxis) && this.rows <= 64;
    this.labels = Array.from({ length: this.count }, (_, panel) => this.labelsOf(panel));
    const widest = this.labels.flat().reduce((most, label) => Math.max(most, ink.measureText(label).width + 6), 0);
    const gutter = Math.ceil(Math.min(unit * 6.5, widest));
    const caption = this.count > 1 ? unit * 1.5 : 0;
    const apart = this.labels.some((labels) => labels.join() !== this.labels[0].join()); // sequences have lines of their own
    const together = apart ? this.count / value.shape[0] : this.count;
    const room = { rows: this.rows, columns: this.columns, count: this.count, together, gutter, caption };
    const numbers = this.numbersIn(gutter);
    this.numbers = numbers;
    this.gutter = gutter;
    this.caption = caption;
    this.layout = layoutOf(room, numbers ? this.wholeWidth : this.width, this.height, numbers);
    ink.font = `${this.captionSize}px ${MONOSPACE}`;
    this.outerWidth = Math.max(this.layout.width, ink.measureText(this.captionParts().join("  ")).width);
    this.outerHeight = this.layout.height + 1.75 * this.captionSize;
  }

  /** The caption: name, shape, rows left out, the power of ten of the numbers, the scale. */
  captionParts() {
    const left = this.rowAt ? ` · ${t("matrix.rows", { shown: this.rows, all: this.allRows })}` : "";
    const power = this.numbers && this.format.power ? `×${powerOfTen(this.format.power)}` : "";
    return [this.name, `(${this.value.shape.join(", ")})${left}`, power, this.plain ? "" : scaleText(this.scale)];
  }

  /** The size of cells with their numbers in them; null where these do not fit, even with a decimal less. */
  numbersIn(gutter) {
    const { unit } = this;
    if (this.bare || this.array.length > 640 || this.columns > 24 || this.rows > 24) return null;
    for (const [fewer, rim] of [[0, 0.6], [0, 0.25], [1, 0.4]]) {
      this.format = cellFormat(this.array, this.scale.largest, fewer);
      const longest = this.array.reduce((most, x) => Math.max(most, this.format.text(x).length), 1);
      const numbers = { width: Math.ceil(Math.max(2.6, longest * 0.61 + rim) * unit), height: Math.ceil(unit * (this.compact ? 1.35 : 1.65)) };
      if (gutter + this.columns * numbers.width + 2 <= this.wholeWidth) return numbers;
    }
    return null;
  }

  /** The names of a panel's rows. Panels of other sequences have other tokens. */
  labelsOf(panel) {
    if (!this.named) return [];
    const { shape } = this.value;
    const lead = unravel(panel, shape.slice(0, -2));
    return Array.from({ length: this.rows }, (_, shown) => {
      const row = this.rowAt ? this.rowAt[shown] : shown;
      return pieceText(String(axisLabel(this.data, this.id, shape.length - 2, row, [...lead, row, 0])), 10);
    });
  }

  indexText(index) {
    return placeText(this.data, this.id, index);
  }

  build() {
    const [name, shape, power, scale] = this.captionParts();
    this.canvas = el("canvas", { "aria-hidden": "true" });
    this.body = el(
      "div",
      { class: "matrix-body", tabindex: "0", role: "application", "aria-roledescription": t("matrix.role"), "aria-label": t("matrix.label", { name, shape: `(${this.value.shape.join(", ")})` }) },
      this.canvas,
    );
    this.element = el(
      "figure", { class: "matrix" },
      el("figcaption", {}, el("b", {}, name), shape, power && el("span", { class: "factor" }, power), el("span", { class: "scale" }, scale)),
      this.body,
    );
    this.size();
    this.listen();
    return this.element;
  }

  size() {
    const ratio = globalThis.devicePixelRatio || 1;
    const { width, height } = this.layout;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.ratio = ratio;
  }

  listen() {
    const { body, canvas } = this;
    canvas.addEventListener("pointermove", (event) => this.point(this.cellAt(event.offsetX, event.offsetY), false));
    canvas.addEventListener("pointerleave", () => this.point(null, false));
    canvas.addEventListener("click", (event) => {
      const index = this.cellAt(event.offsetX, event.offsetY);
      if (index !== null) this.onopen((this.cursor = index));
    });
    body.addEventListener("focus", () => this.point((this.cursor ??= this.chosen ?? largestIndex(this.array)), true));
    body.addEventListener("blur", () => this.point(null, false));
    body.addEventListener("keydown", (event) => this.press(event));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns } = this;
    const [panel, row, column] = this.cellOf(this.cursor ?? 0);
    const moves = {
      ArrowLeft: [panel, row, column - 1], ArrowRight: [panel, row, column + 1], ArrowUp: [panel, row - 1, column], ArrowDown: [panel, row + 1, column],
      Home: [panel, row, 0], End: [panel, row, columns - 1], PageUp: [panel - 1, row, column], PageDown: [panel + 1, row, column],
    };
    if (event.key === "Enter" || event.key === " ") this.onopen(this.cursor);
    else if (event.key === "Escape") this.onleave();
    else if (event.key in moves) this.walk(...moves[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk(panel, row, column) {
    if (column >= this.columns && panel + 1 < this.count) [panel, column] = [panel + 1, 0];
    if (column < 0 && panel > 0) [panel, column] = [panel - 1, this.columns - 1];
    const within = (i, length) => Math.min(length - 1, Math.max(0, i));
    this.cursor = this.indexOf(within(panel, this.count), within(row, this.rows), within(column, this.columns));
    this.point(this.cursor, true);
  }

  /** Panel, row (of those shown) and column of a flat index. */
  cellOf(index) {
    const column = index % this.columns;
    const all = Math.floor(index / this.columns);
    const row = all % this.allRows;
    return [Math.floor(all / this.allRows), this.rowAt ? Math.max(0, this.rowAt.indexOf(row)) : row, column];
  }

  indexOf(panel, row, column) {
    return (panel * this.allRows + (this.rowAt ? this.rowAt[row] : row)) * this.columns + column;
  }

  originOf(panel) {
    const { perLine, panelWidth, panelHeight } = this.layout;
    const line = Math.floor(panel / perLine);
    return [this.gutter + 1 + (panel % perLine) * (panelWidth + GAP), 1 + line * (panelHeight + this.caption + 4) + this.caption];
  }

  rectangleOf(index) {
    const { cellWidth, cellHeight, skipX, skipY } = this.layout;
    const [panel, row, column] = this.cellOf(index);
    const [x, y] = this.originOf(panel);
    return [x + Math.floor(column / skipX) * cellWidth, y + Math.floor(row / skipY) * cellHeight, cellWidth, cellHeight];
  }

  /** The number at a point of the canvas: where a pixel stands for several, the one of largest magnitude. */
  cellAt(x, y) {
    const { cellWidth, cellHeight, skipX, skipY, panelWidth, panelHeight } = this.layout;
    for (let panel = 0; panel < this.count; panel++) {
      const [left, top] = this.originOf(panel);
      if (x < left || y < top || x >= left + panelWidth || y >= top + panelHeight) continue;
      const [row0, column0] = [Math.floor((y - top) / cellHeight) * skipY, Math.floor((x - left) / cellWidth) * skipX];
      let best = null;
      for (let row = row0; row < Math.min(row0 + skipY, this.rows); row++) {
        for (let column = column0; column < Math.min(column0 + skipX, this.columns); column++) {
          const index = this.indexOf(panel, row, column);
          if (best === null || Math.abs(this.array[index]) > Math.abs(this.array[best])) best = index;
        }
      }
      return best;
    }
    return null;
  }

  point(index, byKeyboard) {
    this.pointed = index;
    this.draw();
    this.onpoint(this, index, byKeyboard);
  }

  /** Outline a number (`chosen`) and those it is made of (`marks`, flat indices). */
  mark(chosen, marks) {
    this.chosen = chosen;
    this.marks = marks;
    this.draw();
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { width, height } = this.layout;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    for (let panel = 0; panel < this.count; panel++) this.drawPanel(context, panel);
    this.drawMarks(context);
  }

  drawPanel(context, panel) {
    const { skipX, skipY, panelWidth, panelHeight } = this.layout;
    const [x, y] = this.originOf(panel);
    const table = colourTable(this.theme, this.scale.sequential);
    this.pictures ??= [];
    const start = panel * this.allRows * this.columns;
    if (!this.pictures[panel]) {
      const { picture, wide, high } = shrink(this.array, { start, rows: this.rows, columns: this.columns, skipX, skipY, rowAt: this.rowAt });
      const scale = this.plain ? { largest: Infinity } : this.scale;
      this.pictures[panel] = paint(picture, wide, high, scale, table);
    }
    context.drawImage(this.pictures[panel], x, y, panelWidth, panelHeight);
    context.strokeStyle = this.ink.line;
    context.lineWidth = 1;
    context.strokeRect(x - 0.5, y - 0.5, panelWidth + 1, panelHeight + 1);
    context.textBaseline = "middle";
    if (this.caption) this.drawCaption(context, panel, x, y);
    if (panel % this.layout.perLine === 0) this.drawLabels(context, panel, y);
    if (this.numbers) this.drawNumbers(context, panel, x, y, table);
  }

  drawCaption(context, panel, x, y) {
    const { shape } = this.value;
    const lead = unravel(panel, shape.slice(0, -2));
    const text = lead.map((i, axis) => (shape[axis] === 1 ? null : this.leadLabel(axis, i))).filter(Boolean).join(" · ");
    context.font = `${this.unit}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.fillStyle = this.ink.soft;
    context.fillText(text, x + this.layout.panelWidth / 2, y - this.caption / 2, this.layout.panelWidth);
  }

  leadLabel(axis, i) {
    return this.value.axes[axis] === "B" ? t("matrix.sequence", { n: i }) : String(axisLabel(this.data, this.id, axis, i));
  }

  drawLabels(context, panel, y) {
    if (!this.named) return;
    const { cellHeight, skipY } = this.layout;
    const size = Math.min(this.unit, cellHeight);
    const here = (index) => index != null && Math.floor(this.cellOf(index)[0] / this.layout.perLine) === panel / this.layout.perLine;
    const bold = new Set([this.chosen, this.pointed].filter(here).map((index) => this.cellOf(index)[1]));
    context.textAlign = "right";
    this.labels[panel].forEach((label, row) => {
      if (size < 9 && !bold.has(row)) return; // no room for a name beside each row
      context.font = `${bold.has(row) ? "700 " : ""}${Math.max(size, 9)}px ${MONOSPACE}`;
      context.fillStyle = bold.has(row) ? this.ink.text : this.ink.soft;
      context.fillText(label, this.gutter - 5, y + (row / skipY + 0.5) * cellHeight, this.gutter - 5);
    });
  }

  drawNumbers(context, panel, x, y, table) {
    const { cellWidth, cellHeight } = this.layout;
    context.font = `${this.unit}px ${MONOSPACE}`;
    context.textAlign = "center";
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        const number = this.array[this.indexOf(panel, row, column)];
        context.fillStyle = this.plain ? this.ink.text : number === 0 ? this.ink.soft : inkOn(table, placeInTable(number, this.scale));
        context.fillText(this.format.text(number), x + (column + 0.5) * cellWidth, y + (row + 0.55) * cellHeight, cellWidth - 2);
      }
    }
  }

  drawMarks(context) {
    const panels = new Map();
    for (const index of this.marks) {
      const [x, y, w, h] = this.rectangleOf(index);
      const panel = this.cellOf(index)[0];
      const box = panels.get(panel) ?? [Infinity, Infinity, -Infinity, -Infinity];
      panels.set(panel, [Math.min(box[0], x), Math.min(box[1], y), Math.max(box[2], x + w), Math.max(box[3], y + h)]);
    }
    for (const [left, top, right, bottom] of panels.values()) outline(context, [left, top, right - left, bottom - top], this.ink.mark, this.ink.paper);
    if (this.chosen != null) outline(context, this.rectangleOf(this.chosen), this.ink.chosen, this.ink.paper, 2);
    if (this.pointed != null) outline(context, this.rectangleOf(this.pointed), this.ink.text, this.ink.paper, 1);
  }
}

/** A frame around cells that stands out on any colour, however small they are: a line with a rim of paper. */
function outline(context, [left, top, wide, high], colour, paper, weight = 1.5) {
  const [width, height] = [Math.max(4, wide), Math.max(4, high)];
  const [x, y] = [left - (width - wide) / 2, top - (height - high) / 2];
  context.strokeStyle = paper;
  context.lineWidth = weight + 2;
  context.strokeRect(x - 1, y - 1, width + 2, height + 2);
  context.strokeStyle = colour;
  context.lineWidth = weight;
  context.strokeRect(x - 1, y - 1, width + 2, height + 2);
}
