"""May I believe it? Checks that return findings."""
