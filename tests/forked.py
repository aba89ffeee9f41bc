"""Processes that start at once: forked from one that has imported the harness and has run nothing."""

import multiprocessing

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["pytest", "tests.faults.child", "evar.cli.verbs.eval", "evar.pipeline",
                                "evar.data.readers.table", "evar.leaderboard.read", "evar.encoders.logmel",
                                "evar.probes.centroid", "sklearn.linear_model"])  # fmt: skip
