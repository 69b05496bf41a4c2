"""Quality and cost of any model on any dataset: benchmarks, reports and measurements of cost."""
