"""What bytes mean: encodings, work tiles, COGs, sampling."""
