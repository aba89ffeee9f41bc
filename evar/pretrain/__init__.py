"""Masked Modeling Duo itself: pre-training of an encoder on audio or images without labels.

masking                             which patches are hidden
masked_model, m2d, msm_mae          the networks and their losses
recipe, schedule                    settings with the papers' values; learning rate and EMA decay over the steps
sources, crops                      what an epoch reads
trainer, loop, journal              one step, all steps of a run, and their log; the rest is in `training/`
"""
