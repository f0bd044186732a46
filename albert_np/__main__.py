"""`python -m albert_np` is `albert-np`."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line. Ctrl-C while that is still being imported ends as it does later: one line, status 130."""
    try:
        from albert_np.cli import main

        main(prog_name="albert-np")
    except KeyboardInterrupt:
        sys.stderr.write("albert-np: interrupted\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
