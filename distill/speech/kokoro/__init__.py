"""Kokoro, a neural synthesiser of 54 voices, as a second source of speech whose phones are known."""
