"""Faces of pictures, videos and streams: find, predict, write down, draw."""
