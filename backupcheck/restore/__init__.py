"""A service brought back for its owner: into a folder or to a host, compared, with what is next.

comeback     the command
destination  where it goes
delivery     how it gets to a host
landing      where at the host it comes down
fitting      whether it fits there
unboxed      what is asked of it where it lies
"""
