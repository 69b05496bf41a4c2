"""SASRec of other libraries: programs for their own environments, which import nothing of this package."""
