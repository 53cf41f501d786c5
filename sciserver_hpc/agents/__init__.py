"""Starting agents on demand and talking to those that live: the port `Agents`.

The agent is a process the user can reach (stop, trace, imitate): everything it answers is read as hostile
input.
"""

from .options import AgentOptions
from .sockets import SocketAgents
from .transports import PROGRAM, SelfTransport, SudoTransport, Transport

__all__ = ["PROGRAM", "AgentOptions", "SelfTransport", "SocketAgents", "SudoTransport", "Transport"]
