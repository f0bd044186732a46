// A shared weight: its contributions, one a use, side by side, and their sum, which is model.grads.

import { parameterOfRow, wiring } from "./data.js";
import { colourTable, largestIndex, scaleOf } from "./colours.js";
import { ProofPanel } from "./curve.js";
import { el, figures, pieceText } from "./dom.js";
import { gradsOf } from "./engine.js";
import { t } from "./i18n.js";
import { paint, scaleText, shrink } from "./matrix.js";
import { blockName } from "./track.js";

const ROWS = 20;

/** Rows of a table of the vocabulary that matter for its gradient, largest first; null where all rows are shown. */
function largestRows(total, { shape, axes }) {
  if (shape.length !== 2 || shape[0] <= 64 || axes[0] !== "V") return null;
  const [rows, columns] = shape;
  const sizes = Array.from({ length: rows }, (_, row) => {
    let size = 0;
    for (let i = row * columns; i < (row + 1) * columns; i++) size += total[i] * total[i];
    return { row, size };
  });
  return sizes.filter(({ size }) => size > 0).sort((a, b) => b.size - a.size).slice(0, ROWS).map(({ row }) => row);
}

function norm(array) {
  let sum = 0;
  for (const x of array) sum += x * x;
  return Math.sqrt(sum);
}

export class SumsPanel {
  constructor(app) {
    this.app = app;
    this.element = el("section", { class: "sums" });
  }

  /** The parameters of a stop, and the one to show: the open number's, or the first. */
  choose(stop, open) {
    const { data } = this.app;
    const params = [];
    for (const r of data.stops[stop].rows) {
      const forward = data.rows[r].phase === "backward" && data.rows[r].mirror != null ? data.rows[data.rows[r].mirror] : data.rows[r];
      for (const id of forward.in) if (id != null && data.values[id].param !== undefined) params.push(data.values[id].param);
      if (!params.length && parameterOfRow(data, r) !== null) params.push(parameterOfRow(data, r));
    }
    const opened = open && (data.values[open.id].param ?? wiring(data).contribution[open.id]?.param);
    if (opened !== undefined && opened !== null && !params.includes(opened)) params.unshift(opened);
    return { params, shown: opened ?? (params.includes(this.picked) ? this.picked : params[0]), index: opened !== undefined && opened !== null ? open.index : null };
  }

  show(stop, open) {
    const { data, values } = this.app;
    const { params, shown, index } = this.choose(stop, open);
    if (shown === undefined) {
      this.element.replaceChildren(el("p", { class: "soft" }, t("sums.none")));
      return;
    }
    const total = gradsOf(data, values)[shown];
    const at = index ?? largestIndex(total);
    const uses = this.uses(shown);
    this.element.replaceChildren(
      ...[
        el("h3", {}, this.sentence(uses)),
        params.length > 1 ? this.chooser(params, shown) : null,
        el("p", { class: "param-name" }, pieceText(data.params[shown].name, 90)),
        ...this.pictures(shown, uses, total, at),
        el("p", { class: "sum-line" }, `${uses.map(({ id }) => figures(values[id][at], 4)).join(" + ").replaceAll("+ −", "− ")} = `, el("b", { class: "backward" }, figures(total[at], 5))),
        new ProofPanel(this.app, { param: shown }, at, t("proof.askAll")).element,
        this.repeated(uses),
      ].filter(Boolean),
    );
  }

  /** The uses of a parameter, in the order of the model: {id, row, stop, label}. */
  uses(param) {
    const { data } = this.app;
    const { grad } = data.params[param];
    const { producer, stopOfRow } = wiring(data);
    const uses = grad.contributions.map((id) => {
      const row = producer[id].row;
      const { kind, block } = data.rows[row];
      const label = kind.startsWith("embedding") ? t("sums.lookup") : /word_embeddings/.test(data.params[param].name) ? t("sums.decoder") : blockName(block[0] ?? "");
      return { id, row, stop: stopOfRow[row] ?? null, label, lookup: kind.startsWith("embedding") };
    });
    return uses.reverse();
  }

  sentence(uses) {
    if (uses.some((use) => use.lookup) && uses.some((use) => !use.lookup)) return t("sums.tied");
    return uses.length === 1 ? t("sums.one") : t("sums.many", { n: uses.length });
  }

  chooser(params, shown) {
    const pick = (param) => {
      this.picked = param;
      const id = this.app.data.values.findIndex((value) => value.param === param);
      this.app.open(id, largestIndex(this.app.values[id]), { keepPanel: true });
    };
    const shortName = (param) => pieceText(this.app.data.params[param].name.split(".").slice(-2).join("."), 40);
    return el("div", { class: "chooser" }, params.map((param) => el("button", { type: "button", "aria-pressed": String(param === shown), onclick: () => pick(param) }, shortName(param))));
  }

  pictures(param, uses, total, at) {
    const { app } = this;
    const { value } = app.data.params[param];
    const { shape } = app.data.values[value];
    const rowAt = largestRows(total, app.data.values[value]);
    const scale = scaleOf(total, { gradient: true });
    for (const { id } of uses) scale.largest = Math.max(scale.largest, scaleOf(app.values[id]).largest);
    const picture = (array) => this.picture(array, shape, rowAt, scale);
    const figureOf = (array, label, use) => {
      const caption = el("figcaption", {}, label, el("small", {}, t("sums.norm", { norm: figures(norm(array), 3) })), el("small", {}, figures(array[at], 4)));
      const open = use && (() => app.go(use.stop ?? app.stop, { open: { id: use.id, index: at } }));
      const frame = use ? el("button", { type: "button", class: `share-picture${use.stop === app.stop ? " here" : ""}`, "aria-label": `${label}: ${figures(array[at], 4)}`, onclick: open }, picture(array)) : el("span", { class: "share-picture" }, picture(array));
      return el("figure", {}, frame, caption);
    };
    const parts = uses.flatMap((use, i) => [i ? el("span", { class: "sign" }, "+") : null, figureOf(app.values[use.id], use.label, use)]);
    const rows = rowAt ? [el("ol", { class: "row-names" }, rowAt.map((row) => el("li", {}, pieceText(app.labelOf(value, 0, row), 10))))] : [];
    const few = uses.length < 3 ? " few" : "";
    return [
      el("div", { class: `shares${few}${rowAt ? " with-names" : ""}` }, ...rows, ...parts.filter(Boolean), el("span", { class: "sign" }, "="), figureOf(total, t("sums.total"), null)),
      el("p", { class: "soft" }, t("sums.scale", { scale: scaleText(scale) }), ` · ${t("sums.at", { index: app.indexText(value, at) })}`, rowAt ? ` · ${t("sums.rows", { n: rowAt.length })}` : ""),
    ];
  }

  picture(array, shape, rowAt, scale) {
    const rows = rowAt?.length ?? (shape.length > 1 ? shape[0] : 1);
    const columns = shape.length > 1 ? shape.at(-1) : array.length;
    const room = { start: 0, rows, columns, rowAt, skipX: Math.max(1, Math.ceil(columns / 128)), skipY: Math.max(1, Math.ceil(rows / 128)) };
    const { picture, wide, high } = shrink(array, room);
    const canvas = el("canvas", { width: String(wide), height: String(high), "aria-hidden": "true" });
    canvas.getContext("2d").drawImage(paint(picture, wide, high, scale, colourTable(this.app.theme, false)), 0, 0);
    return canvas;
  }

  /** Tokens that occur more than once: each of their rows receives so many terms. */
  repeated(uses) {
    const use = uses.find((candidate) => candidate.lookup);
    if (!use) return null;
    const { data, values } = this.app;
    const ids = values[data.rows[use.row].in[1]];
    const counts = new Map();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    const columns = data.values[use.id].shape.at(-1);
    const repeats = [...counts].filter(([, n]) => n > 1).sort((a, b) => b[1] - a[1]).slice(0, 12);
    if (!repeats.length || repeats.length === 1 && repeats[0][1] === ids.length) return null;
    const button = ([row, n]) => {
      const start = row * columns;
      const best = start + largestIndex(values[use.id].subarray(start, start + columns));
      const token = pieceText(this.app.labelOf(use.id, 0, row));
      return el("button", { type: "button", onclick: () => this.app.go(use.stop ?? this.app.stop, { open: { id: use.id, index: best }, panel: "number" }) }, t("sums.times", { token, n }));
    };
    return el("div", {}, el("p", { class: "soft" }, t("sums.repeated")), el("div", { class: "chooser" }, repeats.map(button)));
  }
}
