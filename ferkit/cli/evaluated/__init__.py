"""What ``ferkit evaluate`` is given: models by their names, and labelled pictures."""
