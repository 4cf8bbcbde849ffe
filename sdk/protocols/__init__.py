"""One file per output, named as its file suffix or wire; each offers `PROTOCOL` (see `base.py`)."""
