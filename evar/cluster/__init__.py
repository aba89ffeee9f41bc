"""Many encoders on many tasks: here, or on the devices of many machines through Ray, which schedules and transports.

`cells.py` is what a sweep is made of, `sweep.py` runs it, `pool.py` is the only door to Ray, `remote.py` does an
evaluator's work through it, and `worker.py` is what runs on each device.
"""
