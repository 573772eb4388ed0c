"""Names that other libraries use and their equivalents in pynn; read only to make an error."""
