"""Files, and objects as plain values: what is written, read and locked. Knows no models."""
