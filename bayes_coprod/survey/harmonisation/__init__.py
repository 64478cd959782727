"""Whether an entry is coded alike in every country, or only asked otherwise."""
