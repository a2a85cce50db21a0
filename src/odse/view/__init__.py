"""Faces: what people look at."""
