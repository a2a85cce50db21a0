"""Peers at their best setting, and patterns of the field rebuilt for a fair comparison."""
