"""Run every Python example of the README, in order, in one namespace."""

import re
from pathlib import Path

if __name__ == "__main__":
    blocks = re.findall(r"^```python\n(.*?)^```", Path("README.md").read_text(encoding="utf-8"), re.M | re.S)
    assert blocks, "the README has no Python example"
    namespace: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), namespace)
