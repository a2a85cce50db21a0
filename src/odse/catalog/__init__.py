"""STAC: what can be searched."""
