"""What does it say? Named quantities, per draw."""
