"""Search: which settings are best, of all that lie within ranges."""
