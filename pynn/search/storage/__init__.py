"""What a search keeps: the journal, records and settings of its trials, model files, and which run does which trial."""
