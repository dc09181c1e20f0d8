"""Run `python -m service.cli` as the command `likewise`."""

from service.cli import main

main(prog_name="likewise")
