"""Pure parts of comparing two sets of policies."""
