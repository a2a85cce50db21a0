"""Level 2 to 3: composites and gap filling."""
