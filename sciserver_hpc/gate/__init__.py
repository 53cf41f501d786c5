"""The gate: the one way into a session, run in its job as the user, outside the image.

TLS both ways on a port of the kernel's choice towards nginx and the broker, the app's unix sockets on the
other side: docs/decisions/0014-sessions.md is its contract. Standard library only, Python 3.9 or later, and
few modules of it: it has to stay small beside the app. `sciserver_hpc.render.gate` joins these modules into
one program, in which they share one namespace: no two of them may give the same name.
"""
