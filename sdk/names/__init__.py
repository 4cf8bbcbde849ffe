"""What the same face is called elsewhere: every convention's channel names, order and scale, converted by name."""

from sdk.names.convert import Convention, convention, conventions, convert, from_arkit, to_arkit

__all__ = ["Convention", "convention", "conventions", "convert", "from_arkit", "to_arkit"]
