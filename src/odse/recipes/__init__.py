"""Products, as YAML."""
