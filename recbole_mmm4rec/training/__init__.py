"""Parts of the trainer: checkpoints and exact resume, evaluation by counting, several processes."""
