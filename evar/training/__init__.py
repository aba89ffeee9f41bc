"""What every training shares, whatever it trains: pre-training (`pretrain/`) and fine-tuning (`tuning/`).

steps                               all steps of a run: logging, watching, saving, stopping
schedule, optimizers, numerics      learning rate over the steps; how weights follow; sums in a fixed order
checkpoint, journal                 what is kept and reported
settings                            what is given, made into a recipe
alarms, interrupt, team             numbers that are lost, stopping, several processes
"""
