"""Tell people: one self-contained file."""
