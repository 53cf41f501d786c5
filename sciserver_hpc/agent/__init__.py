"""The agent: a small process that acts as one user; the only code that touches a user's files.

It runs as `/usr/bin/python3 -I -S <this directory>` with a listening unix socket as file descriptor 0,
answers the frames of `protocol`, and ends when idle. Standard library only, and few modules of it: it
starts in about 30 ms. It imports nothing of the rest of the house.
"""
