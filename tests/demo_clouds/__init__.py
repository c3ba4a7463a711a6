"""Demos in clouds that are not AWS: what is attacked there, preserved and judged before your eyes. One folder a provider."""
