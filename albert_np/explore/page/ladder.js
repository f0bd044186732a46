// The model as a ladder: its blocks, and in the one that is open each op with small pictures of values and gradients.

import { scaleOf } from "./colours.js";
import { el } from "./dom.js";
import { t } from "./i18n.js";
import { thumbnail } from "./matrix.js";
import { blockName, blocksOf } from "./track.js";

const THUMB = [44, 14];

export class Ladder {
  constructor(app) {
    this.app = app;
    this.open = 0;
    this.element = el("nav", { class: "ladder" });
    this.element.addEventListener("keydown", (event) => this.press(event));
    this.element.addEventListener("focusin", (event) => this.rove(event.target));
    this.build();
  }

  build() {
    const { app } = this;
    this.element.setAttribute("aria-label", t("ladder.label"));
    this.blocks = blocksOf(app.data);
    this.headings = this.blocks.map(({ block }, b) =>
      el("button", { type: "button", class: "ladder-block", tabindex: "-1", "aria-expanded": "false", onclick: () => this.unfold(this.open === b ? -1 : b) }, blockName(block)),
    );
    this.bodies = this.blocks.map(() => el("div", { class: "ladder-rows" }));
    this.filled = [];
    this.element.replaceChildren(...this.blocks.flatMap((_, b) => [this.headings[b], this.bodies[b]]));
    this.unfold(this.open);
  }

  /** Open one block (−1: none); its pictures are drawn when it is opened. */
  unfold(b) {
    this.open = b;
    this.headings.forEach((heading, i) => heading.setAttribute("aria-expanded", String(i === b)));
    this.bodies.forEach((body, i) => (body.hidden = i !== b));
    if (b >= 0 && !this.filled[b]) this.fill(b);
    this.markHere();
    if (!this.element.querySelector('[tabindex="0"]')) this.headings[Math.max(0, b)].tabIndex = 0;
  }

  fill(b) {
    this.filled[b] = true;
    this.bodies[b].replaceChildren(
      ...this.blocks[b].columns.map((column) =>
        el("div", { class: "ladder-row" }, this.thumb(column.forward), el("span", { class: "ladder-name" }, this.app.stopName(column.forward ?? column.backward)), this.thumb(column.backward)),
      ),
    );
  }

  thumb(stop) {
    const { app } = this;
    if (stop === null) return el("span", { class: "thumb none" });
    const { data } = app;
    const id = data.rows[data.stops[stop].rows[0]].out[0];
    const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
    const canvas = el("canvas", { width: String(THUMB[0] * ratio), height: String(THUMB[1] * ratio), "aria-hidden": "true" });
    const array = app.values[id];
    if (array) thumbnail(canvas, array, data.values[id].shape, scaleOf(array, app.kindOfValue(id)), app.theme);
    return el(
      "button",
      { type: "button", class: `thumb ${data.stops[stop].phase}${app.differing.has(stop) ? " differs" : ""}`, tabindex: "-1", "data-stop": String(stop), "aria-label": app.stopTitle(stop), onclick: () => app.go(stop, { from: "ladder" }) },
      canvas,
    );
  }

  /** Values have changed: draw what is open anew. */
  redraw() {
    this.filled = [];
    if (this.open >= 0) this.fill(this.open);
    this.markHere();
  }

  show(stop) {
    const b = this.blocks.findIndex(({ columns }) => columns.some((column) => column.forward === stop || column.backward === stop));
    if (b !== this.open) this.unfold(b);
    else this.markHere();
  }

  markHere() {
    this.element.querySelectorAll(".here").forEach((thumb) => {
      thumb.classList.remove("here");
      thumb.removeAttribute("aria-current");
    });
    const here = this.element.querySelector(`[data-stop="${this.app.stop}"]`);
    if (!here) return;
    here.classList.add("here");
    here.setAttribute("aria-current", "step");
    if (!this.element.contains(document.activeElement)) this.rove(here);
  }

  /** How to bring the place where one stands into sight. */
  followHere() {
    const here = this.element.querySelector(".here");
    if (!here) return () => {};
    const [box, frame] = [here.getBoundingClientRect(), this.element.getBoundingClientRect()];
    const hidden = box.top < frame.top || box.bottom > frame.bottom;
    return () => hidden && (this.element.scrollTop += box.top - frame.top - frame.height / 2);
  }

  /** One stop for the Tab key: the button last used. */
  rove(button) {
    if (!button.matches("button")) return;
    this.element.querySelectorAll('[tabindex="0"]').forEach((other) => (other.tabIndex = -1));
    button.tabIndex = 0;
  }

  press(event) {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    const down = event.key === "ArrowDown" ? 1 : -1;
    const here = document.activeElement;
    const backward = here.classList.contains("backward");
    const buttons = [...this.element.querySelectorAll("button")].filter(
      (button) => button.offsetParent && (button === here || button.classList.contains("ladder-block") || button.classList.contains("backward") === backward),
    );
    buttons[buttons.indexOf(here) + down]?.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}
