"""`python -m albert_np` is `albert-np`."""

from albert_np.cli import main

main(prog_name="albert-np")
