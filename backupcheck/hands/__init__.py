"""Who drills: this machine, or others.

own      this machine
handing  a drill by others' hands
errands  what it hands out
proving  a proof for somebody else
cluster  the executors that can be named
"""
