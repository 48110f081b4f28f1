"""Trained networks in use: prediction, ensemble, temperature, test-time augmentation, Grad-CAM."""
