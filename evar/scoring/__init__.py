"""Scores of predictions: metrics, and their intervals, which allow for the groups of test clips and for seeds."""
