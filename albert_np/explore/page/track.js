// The two lanes of the walk: forward above, backward below, each op over its mirror.

import { familyOf } from "./colours.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";

/** Columns of the track: [{forward, backward, block}], stops by number; a backward op stands under its mirror. */
export function columnsOf(data) {
  if (data.columns) return data.columns;
  const columns = [];
  const at = new Map();
  data.stops.forEach((stop, s) => {
    if (stop.phase !== "forward") return;
    const column = { forward: s, backward: null, block: stop.block[0] ?? "" };
    columns.push(column);
    at.set(s, column);
  });
  let before = columns.length;
  data.stops.forEach((stop, s) => {
    if (stop.phase !== "backward") return;
    let column = at.get(stop.mirror);
    if (!column || column.backward !== null) {
      column = { forward: null, backward: null, block: stop.block[0] ?? "" };
      columns.splice(before, 0, column);
    }
    column.backward = s;
    before = columns.indexOf(column);
  });
  return (data.columns = columns);
}

/** Stretches of columns of one block: [{block, columns}]. */
export function blocksOf(data) {
  const blocks = [];
  for (const column of columnsOf(data)) {
    if (blocks.at(-1)?.block !== column.block) blocks.push({ block: column.block, columns: [] });
    blocks.at(-1).columns.push(column);
  }
  return blocks;
}

/** The name of a block in the reader's language. */
export function blockName(block) {
  const step = /^step (\d+)$/.exec(block);
  return step ? t("block.step", { n: step[1] }) : t(`block.${block}`);
}

export class Track {
  constructor(app) {
    this.app = app;
    this.element = el("div", { class: "track", role: "slider", tabindex: "0", "aria-valuemin": "1", "aria-valuemax": String(app.data.stops.length) });
    this.element.addEventListener("pointerdown", (event) => this.point(event));
    this.element.addEventListener("pointermove", (event) => event.buttons && this.point(event));
    this.build();
  }

  build() {
    const { data } = this.app;
    this.cells = [];
    const blocks = blocksOf(data).map(({ block, columns }) => {
      const lanes = ["forward", "backward"].map((phase) =>
        el("div", { class: `lane ${phase}` }, columns.map((column) => this.cell(column[phase]))),
      );
      const part = el("div", { class: "track-block" }, el("span", { class: "track-name" }, blockName(block)), lanes);
      part.style.flexGrow = String(columns.length);
      return part;
    });
    this.element.setAttribute("aria-label", t("track.label"));
    this.element.replaceChildren(
      el("div", { class: "track-blocks" }, blocks),
      el("div", { class: "track-ends" }, el("span", { class: "forward" }, t("track.forward")), el("span", { class: "backward" }, t("track.backward"))),
    );
  }

  /** A name that does not fit over its block is left out: the ladder has it too. */
  fitNames() {
    for (const name of this.element.querySelectorAll(".track-name")) {
      name.style.visibility = name.scrollWidth > name.clientWidth + 1 ? "hidden" : "";
    }
  }

  cell(stop) {
    if (stop === null) return el("i", { class: "none" });
    const differs = this.app.differing.has(stop);
    const cell = el("i", { class: `family-${familyOf(this.app.data.rows[this.app.data.stops[stop].rows[0]].kind)}${differs ? " differs" : ""}`, "data-stop": String(stop), title: this.app.stopTitle(stop) });
    this.cells[stop] = cell;
    return cell;
  }

  point(event) {
    const stop = event.target.dataset?.stop;
    if (stop !== undefined) this.app.go(Number(stop));
  }

  show(stop) {
    this.cells.forEach((cell, s) => {
      cell.classList.toggle("here", s === stop);
      cell.classList.toggle("ahead", s > stop);
    });
    this.element.setAttribute("aria-valuenow", String(stop + 1));
    this.element.setAttribute("aria-valuetext", this.app.stopTitle(stop));
  }
}
