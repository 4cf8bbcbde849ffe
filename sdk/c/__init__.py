"""The C door: `frame_stream.h`, the library behind it, and the command that builds both."""
