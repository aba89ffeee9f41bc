"""Fine-tuning: an encoder and a new head trained on a task's labels, and scored as a probe is.

recipe, recipes.yaml                settings, with the published values by task
augment, patchout                   what chance does to a training clip, and which patches the encoder sees of it
clips                               what an epoch reads
network                             the encoder with its head, and the losses
trainer, loop                       one step, and all steps of a run with the choice of its epoch
"""
