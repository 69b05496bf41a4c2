"""Plumbing between RecBole and this package: names, properties, checks, processes."""
