"""What other libraries call things, and what pynn calls them. Read only where an error is being made."""
