"""Run the command `likewise-autoscaler` by `python -m autoscaler`."""

from autoscaler.cli import main

main(prog_name="likewise-autoscaler")
