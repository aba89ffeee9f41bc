"""EVAR: linear evaluation of frozen audio encoders.

One command embeds a dataset with a frozen encoder, fits a probe on the embeddings and adds one row to a leaderboard.
`docs/architecture.md` shows how the pieces fit together.
"""

__version__ = "0.1.0"
