"""Sound as it happens, frames on their way: rings, clocks, sources, sinks, and the conductor that keeps time."""
