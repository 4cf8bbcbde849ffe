"""The command `python -m export.qat`: an int8 twin that has learned. Its code is in `export/quantise/qat.py`."""

from export.quantise.qat import main

if __name__ == "__main__":
    raise SystemExit(main())
