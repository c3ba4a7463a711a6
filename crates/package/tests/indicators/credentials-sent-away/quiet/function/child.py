import os, subprocess, requests
def build():
    subprocess.run(["make"], env=os.environ.copy(), check=True)
def tell(text):
    requests.post("https://hooks.example.com/services/T0", json={"text": text})
