"""Build the labs that are handed out: every NN_name.py of this folder becomes NN_name.ipynb beside it, without solutions.

    python labs/build.py            build all
    python labs/build.py 02 05      build some
    python labs/build.py --check    write nothing, and fail where an .ipynb is not what its .py says

Two builds of one source are equal to the byte. Needs jupytext.
"""

import argparse
import sys
from pathlib import Path

from albert_np.labs import LABS, open_lab
from albert_np.labs.release import release_text
from albert_np.labs.source import read_source

FOLDER = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    parser.add_argument("numbers", nargs="*", help="such as 02")
    options = parser.parse_args()
    problems = []
    for number in options.numbers or LABS:
        paths = sorted(FOLDER.glob(f"{number}_*.py"))
        if len(paths) != 1:
            parser.error(f"lab {number} has {len(paths)} sources in {FOLDER}")
        (path,) = paths
        built = path.with_suffix(".ipynb")
        text = release_text(read_source(path), open_lab(number)).encode()
        if not options.check:
            built.write_bytes(text)
            print(f"{built.name:<40}{len(text):>9,} bytes")
        elif not built.is_file() or built.read_bytes() != text:
            problems.append(f"{built.name} is not what {path.name} says: run labs/build.py")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
