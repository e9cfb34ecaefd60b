"""One module for each way of doing the same work; all follow :mod:`benchmarks.contenders.serve`.

A contender's ``make(task, threads)`` returns a function that does one unit of work and
returns how many characters it was. The work of a ``train`` task: forward, backward, norm
clipping at 5 and Adagrad, on random ids, float32, with the recurrent state carried on.
"""
