"""The one form in which models are kept: card, weights, vote, temperature."""
