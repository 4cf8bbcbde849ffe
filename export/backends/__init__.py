"""One file per way to lower, named as `--backend` names it; each offers `BACKEND`, a `Backend`."""
