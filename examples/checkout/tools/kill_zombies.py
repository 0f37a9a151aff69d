import os, signal
import psutil

for p in psutil.process_iter():
    if p.status() == psutil.STATUS_ZOMBIE and p.ppid() > 1:
        os.kill(p.ppid(), signal.SIGCHLD)
