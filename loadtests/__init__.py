"""How fast Tidings is, beside its peers and beside what the machine can do: `python -m loadtests --help`."""
