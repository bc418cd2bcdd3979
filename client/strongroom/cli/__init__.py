"""The command `strongroom`, for a person. Data goes to stdout, everything else to stderr."""
