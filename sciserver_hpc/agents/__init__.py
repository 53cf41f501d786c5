"""Starting agents on demand and talking to those that live: the port `Agents`.

The agent is a process the user can reach (stop, trace, imitate): everything it answers is read as hostile
input.
"""

from .agent import LOCAL_SUBMIT_S, submit_limit_s
from .options import AgentOptions
from .sockets import SocketAgents
from .transports import PROGRAM, SelfTransport, SudoTransport, Transport

__all__ = [
    "LOCAL_SUBMIT_S",
    "PROGRAM",
    "AgentOptions",
    "SelfTransport",
    "SocketAgents",
    "SudoTransport",
    "Transport",
    "submit_limit_s",
]
