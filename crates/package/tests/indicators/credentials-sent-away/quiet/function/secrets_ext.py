import os, json, urllib.request
def handler(event, context):
    req = urllib.request.Request("http://localhost:2773/secretsmanager/get?secretId=x", headers={"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]})
    s = json.loads(urllib.request.urlopen(req).read())
    r = urllib.request.Request("https://api.stripe.com/v1/charges", headers={"Authorization": "Bearer " + s["k"]})
    return urllib.request.urlopen(r).read()
