"""Where the faces of a picture are, and how one is cut out."""
