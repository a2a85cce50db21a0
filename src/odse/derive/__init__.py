"""Covariates from layers."""
