"""`python -m infra COMMAND`."""

from infra.cli import main

main()
