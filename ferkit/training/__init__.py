"""How a network learns: settings, augmentation, the epochs, checkpoints, and one member of a run."""
