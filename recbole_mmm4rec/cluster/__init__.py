"""Several processes, on one host or more, that do one run: how they meet, share, watch each other and end."""
