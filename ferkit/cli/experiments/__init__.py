"""Running what an experiment consists of, and showing what it found."""
