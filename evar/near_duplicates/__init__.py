"""Copies of test clips on the other side of the split: of other gain, polarity, start or coding; `evar check` asks."""
