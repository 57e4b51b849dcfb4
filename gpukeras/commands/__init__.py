"""What `python -m gpukeras` and `%gpukeras` do, one command a file. Each has `main(arguments)`, which returns the exit
status."""
