"""Masked Modeling Duo itself: pre-training of an encoder on audio without labels.

masking     which patches are hidden
masked_model, m2d, msm_mae      the networks and their losses
recipe, schedule                settings with the papers' values, learning rate and EMA over the steps
crops, statistics               what an epoch reads
trainer, loop, checkpoint, journal, team, watch      one step, the steps, what is kept, several processes, alarms
"""
