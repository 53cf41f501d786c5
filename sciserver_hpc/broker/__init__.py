"""The broker: one loop that brings accepted jobs into Slurm and Slurm's news into the database.

`Broker.tick()` is one turn and what tests call; `loop.Loop` turns it for ever. All truth is in the store: a
broker may be killed between any two statements and the next one goes on from the rows. What it keeps in
memory (since when a scheduler answers, when a cancel was last sent) only ever makes a new broker wait longer.
"""
