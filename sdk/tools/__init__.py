"""What every room uses and nobody sells: command lines, limits of files, strict YAML, whole writes, plug-ins, cards."""
