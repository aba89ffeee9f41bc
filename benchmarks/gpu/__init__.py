"""`make gpu`: everything that is to be measured or checked on a machine with a GPU, in one call of under nine minutes.

    make gpu PYTHON=python3                      with the interpreter as it is; no environment is made, no network used
    make gpu PYTHON=python3 WHEELS=.whl          what that interpreter lacks comes from wheels in a folder
    make gpu QUICK=1                             the same code with tiny shapes, about a minute on a CPU

Every part runs in a process of its own with a limit of its own; what it has measured is kept if it is killed or dies.
`gpu.json` and `gpu.md` are written after each part; the latter is made to go into `benchmarks/RESULTS.md`.

    __main__.py    options, and which parts there are
    runner.py      parts as processes: limits, and keeping what they found
    report.py      what a part says (rows, faults), and the Markdown that is made of it
    correct.py     CUDA against the CPU, encoder by encoder
    speed.py       forward rates by length of clip, and where the time goes
    decisions.py   variants that wait for a figure from a GPU, each with the rule that decides
    others.py      the other parts: the benchmarks of this folder, and the tests marked `cuda`

All but the parts themselves use the standard library alone, so that a package that is missing costs no more than the
parts that need it.
"""
