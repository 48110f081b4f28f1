"""Faces in memory and in files: labels, targets, `FaceDataset`, training sets, duplicates."""
