"""A benchmark's folder becomes one HTML page, and its tables Markdown and LaTeX."""

from recbole_mmm4rec.benchmark.report.writing import write_report

__all__ = ["write_report"]
