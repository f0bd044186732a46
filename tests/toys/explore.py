"""Small recorded passes, made by hand: rows with the arrays that they should put out, as the page reads them."""

import base64
from typing import Any

import numpy as np

DTYPES = {"f16": "<f2", "f32": "<f4", "f64": "<f8", "i32": "<i4", "u8": "u1"}


class Pass:
    """Rows in the order in which they run. `data` is what the page carries, `arrays` what each value should be."""

    def __init__(self) -> None:
        self.blob = bytearray()
        self.arrays: list[np.ndarray] = []
        self.data: dict[str, Any] = {
            "version": 1,
            "model": {},
            "tokens": [],
            "asked": [],
            "vocabulary": None,
            "arrays": [],
            "values": [],
            "params": [],
            "rows": [],
            "sources": [],
            "stops": [],
            "loss": None,
        }

    def store(self, x: Any, dtype: str = "f64") -> int:
        """Add an array to the blob; returns its number."""
        written = np.ascontiguousarray(x, DTYPES[dtype]).tobytes()
        entry = {"dtype": dtype, "shape": list(np.shape(x)), "offset": len(self.blob), "length": len(written)}
        self.data["arrays"].append(entry)
        self.blob += written + bytes(-len(written) % 8)
        return len(self.data["arrays"]) - 1

    def const(self, x: Any, name: str = "", dtype: str = "f64", axes: str = "") -> int:
        return self._value(np.asarray(x), name, axes, const=self.store(x, dtype))

    def param(self, name: str, x: np.ndarray, axes: str = "") -> int:
        """Add a parameter; returns its value. `contributions` are added to `data["params"]` by whoever has them."""
        self.data["params"].append({"name": name, "array": self.store(x), "value": len(self.arrays)})
        self.data["params"][-1]["grad"] = {"contributions": [], "rows": []}
        return self._value(x, name.rpartition(".")[2], axes, param=len(self.data["params"]) - 1)

    def row(self, kind: str, inputs: list[int | None], *outs: np.ndarray, names: str = "", **attrs: Any) -> list[int]:
        """Add a row and what it should put out; returns the values. A kind that ends in _backward is in that phase."""
        backward = attrs.pop("backward", kind.endswith("_backward"))
        called = names.split() or [""] * len(outs)
        out = [self._value(np.asarray(x), name, "") for x, name in zip(outs, called, strict=True)]
        phase = "backward" if backward else "forward"
        row = {"kind": kind, "phase": phase, "in": inputs, "out": out, "attrs": attrs, "block": [], "mirror": None}
        self.data["rows"].append(row)
        return out

    def _value(self, x: np.ndarray, name: str, axes: str, **more: int) -> int:
        self.arrays.append(np.asarray(x, float))
        value = {"name": name, "shape": list(x.shape), "axes": axes.split() or [""] * x.ndim, **more}
        if not more:
            value["print"] = fingerprint(x)
        self.data["values"].append(value)
        return len(self.arrays) - 1


def fingerprint(x: np.ndarray) -> list[float]:
    flat = np.asarray(x, float).ravel()
    flat = np.where(np.abs(flat) < 1e29, flat, 0)  # what a mask forbids
    return [float(flat.sum()), float(flat @ np.cos(np.arange(1, flat.size + 1)))]


def open_in(tab: Any, made: Pass) -> None:
    """Put a pass into a tab, see `open_data`."""
    open_data(tab, made.data, bytes(made.blob))


def open_data(tab: Any, data: dict[str, Any], blob: bytes) -> None:
    """Put what a page carries into a tab as `data`, with the page's modules as `page` and the replay as `values`."""
    tab.evaluate(
        """async ([data, blob]) => {
          const names = ["arrays", "kernels", "engine", "proof", "formulas", "explain"];
          window.page = Object.assign({}, ...await Promise.all(names.map((name) => import(`/${name}.js`))));
          window.data = data;
          data.bytes = Uint8Array.from(atob(blob), (character) => character.charCodeAt(0));
          window.values = page.replay(data);
          const text = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
          window.pack = (x) => btoa(text(new Uint8Array(x.slice().buffer)));
        }""",
        [data, base64.b64encode(blob).decode()],
    )


def arrays_of(tab: Any, expression: str = "values") -> list[np.ndarray]:
    """Return a list of arrays that the tab computed, flat."""
    packed = tab.evaluate(f"({expression}).map((x) => pack(x))")
    return [np.frombuffer(base64.b64decode(each)) for each in packed]


def replayed(tab: Any, made: Pass) -> list[np.ndarray]:
    """Return the arrays of all values as the page computes them, in their shapes."""
    open_in(tab, made)
    return [x.reshape(y.shape) for x, y in zip(arrays_of(tab), made.arrays, strict=True)]


def troubles_of_explanations(tab: Any, most: int = 12) -> list[str]:
    """Open up to so many numbers of every row's outputs in a tab; returns what does not hold of their explanations."""
    found: list[str] = tab.evaluate(
        """(most) => {
          const troubles = [];
          const near = (a, b, terms) => {
            const size = terms.reduce((sum, term) => sum + Math.abs(term.value), Math.abs(b));
            return Object.is(a, b) || Math.abs(a - b) <= 1e-12 * size + 1e-300;
          };
          const total = (terms) => terms.reduce((sum, term) => sum + term.value, 0);
          const wellFormed = (markup) => {
            const parsed = new DOMParser().parseFromString(markup, "application/xml");
            return !parsed.querySelector("parsererror") && !/undefined|NaN|\\[object/.test(markup);
          };
          data.rows.forEach((row, r) => row.out.forEach((id, slot) => {
            const array = values[id];
            for (let i = 0; i < array.length; i += Math.max(1, Math.floor(array.length / most))) {
              const told = page.explain(data, values, r, slot, i);
              const say = (what) => troubles.push(`row ${r} ${row.kind} slot ${slot} [${i}]: ${what}`);
              if (!Object.is(told.total, array[i])) say(`total ${told.total} is not ${array[i]}`);
              if (told.terms.length && !near(total(told.terms), array[i], told.terms)) {
                say(`terms add up to ${total(told.terms)}, not ${array[i]}`);
              }
              if (!told.terms.length && !told.steps.length && !told.note) say("nothing is said");
              if (told.note && !/^[A-Z].*[.]$/.test(told.note)) say(`the note is ${told.note}`);
              if (![told.formula, told.substituted].every(wellFormed)) say(told.formula + told.substituted);
              const plain = told.terms.flatMap((term) => term.factors).filter(({ name }) => !/[ ()/]/.test(name));
              for (const { name, id, flat, value } of plain.filter(({ id }) => id !== null)) {
                if (value !== (name[0] === "−" ? -1 : 1) * values[id][flat]) say(`${name} is not ${value}`);
              }
              for (const term of told.terms) {
                const product = term.factors.reduce((all, factor) => all * factor.value, 1);
                if (!near(product, term.value, [])) say(`factors of ${term.label}`);
              }
            }
          }));
          return troubles;
        }""",
        most,
    )
    return found
