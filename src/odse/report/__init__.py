"""Pages and pictures, as text."""
