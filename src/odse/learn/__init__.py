"""Level 3 to 4: samples, folds, the ensemble, its accuracy."""
