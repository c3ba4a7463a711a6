import os, socket, subprocess
def daemonize():
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
def version():
    return subprocess.check_output(["/usr/bin/uname", "-a"])
def port():
    s = socket.socket(); s.bind(("", 0)); return s.getsockname()[1]
