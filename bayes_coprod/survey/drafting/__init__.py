"""A first codebook, from what a file says of itself."""
