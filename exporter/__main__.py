"""``python -m exporter``."""

from exporter.cli import main

main(prog_name="mlslo-exporter")
