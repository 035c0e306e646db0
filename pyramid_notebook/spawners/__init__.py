"""Where user servers run."""
