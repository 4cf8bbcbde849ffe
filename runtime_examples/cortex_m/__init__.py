"""A bare microcontroller: the library, one artefact and nothing else on a Cortex-M55, played in QEMU."""
