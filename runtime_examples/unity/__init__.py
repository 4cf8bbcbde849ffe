"""A Unity package over the C# binding, and the command that puts it together."""
