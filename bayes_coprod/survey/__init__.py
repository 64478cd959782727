"""Data in: codebooks, surveys, coverage, simulation."""
