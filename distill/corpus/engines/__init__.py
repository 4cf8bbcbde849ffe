"""Where a corpus is labelled: in processes of this machine, as tasks of a Ray cluster, or as an array of Slurm jobs.

One function does the work everywhere, `corpus.pool.label_batch`: pure, on one thread, written whole or not at all. So
shards are the same bytes wherever they were made, and a batch that was made twice is there once.
"""
