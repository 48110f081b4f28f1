"""The HTTP service: an API and a page over ``ferkit.inference.predictor``, answered by the registry's champion."""
