"""``python -m rulegen``."""

from rulegen.cli import main

main(prog_name="mlslo-rulegen")
