"""The HTTP service: an API and a page over ``ferkit.predictor``, answered by the registry's champion."""
