"""Several models, or several moments of one, averaged."""
