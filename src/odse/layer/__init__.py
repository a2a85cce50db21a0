"""What is published: names, periods, legends, styles."""
