"""How the suite runs: programs that tests need, order, summary of skipped tests, mutants."""
