"""Trials in several processes of one machine."""
