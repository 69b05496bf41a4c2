"""A benchmark's folder becomes one HTML page, and its tables Markdown and LaTeX."""
