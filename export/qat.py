"""The command: Quantisation-aware fine-tuning: an int8 twin that has learned: `export/quantise/qat.py`."""

from export.quantise.qat import main

if __name__ == "__main__":
    raise SystemExit(main())
