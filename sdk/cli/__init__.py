"""The command `tinyface`, a file for each thing it does; `python -m sdk` is the same."""
