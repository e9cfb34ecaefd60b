"""How the ranks that train one network together communicate.

communicator.py  what a rank needs: who it is, arrays to work on, the sum of all gradients
single.py        one rank, in this process
processes.py     several, in worker processes that share memory
mpi.py           several that mpiexec has started, on one machine or on many
"""
