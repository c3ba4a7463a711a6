import os, urllib.request
while True:
    e = urllib.request.urlopen('http://127.0.0.1:9001/2018-06-01/runtime/invocation/next')
    os.kill(int(os.environ['P']), 9) # /var/runtime/bootstrap
