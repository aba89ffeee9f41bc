"""Scores of predictions: metrics, and their intervals by bootstrap over groups of test clips."""
