"""The development cluster: every real part on one machine, in one state directory, in a namespace of its own.

`python -m sciserver_hpc.devcluster` is what `./dev` calls once packages and virtual environment are there.
"""
