"""Other people's archives."""
