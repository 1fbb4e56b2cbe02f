"""`python -m wireloom.cli`, which is `wireloom`."""

from wireloom.cli.main import main

main()
