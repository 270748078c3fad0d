"""The machines that services run on or come back to: ssh and rsync to them, every failure classified.

Only pinned host keys are accepted, only the site's own keys are offered, nobody is ever asked. rsync keeps
numeric owners, hard links, ACLs and extended attributes, and each path below the service's folder as it was.
"""

from backupcheck.remote.access import SshAccess as SshAccess
from backupcheck.remote.connections import Connections as Connections
from backupcheck.remote.failures import classified as classified
from backupcheck.remote.failures import of_system as of_system
from backupcheck.remote.host import Host as Host
from backupcheck.remote.host import ssh_to as ssh_to
from backupcheck.remote.machines import Local as Local
from backupcheck.remote.machines import Ssh as Ssh
from backupcheck.source import Pull as Pull
from backupcheck.source import Pulled as Pulled
