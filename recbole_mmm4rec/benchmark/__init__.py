"""What things cost and what they bring: measurements on any dataset and model."""
