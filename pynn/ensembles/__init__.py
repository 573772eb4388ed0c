"""Averages of several models, or of one model at several moments."""
