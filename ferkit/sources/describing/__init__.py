"""Which source a path is, and what is understood of it: `ferkit data describe`."""
