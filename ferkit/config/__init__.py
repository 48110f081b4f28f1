"""The configuration of a run: settings composed, read, checked."""
