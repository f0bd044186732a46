"""What the README quotes is what the package does."""

import ast
import inspect
import re
from pathlib import Path

from albert_np import layers

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_quoted_backward_of_a_layer_is_the_packages():
    (quoted,) = re.findall(r"^def layer_backward.*?(?=^```)", README, re.M | re.S)
    mine, theirs = (ast.parse(source).body[0] for source in (quoted, inspect.getsource(layers.layer_backward)))
    assert [a.arg for a in mine.args.args] == [a.arg for a in theirs.args.args]
    assert [ast.dump(line) for line in mine.body] == [ast.dump(line) for line in theirs.body[1:]]  # no docstring
