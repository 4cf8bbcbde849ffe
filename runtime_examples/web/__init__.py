"""A page in which a head says what is heard: see README.md."""
