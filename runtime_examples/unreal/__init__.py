"""An Unreal plugin over the C library, and the command that puts it together."""
